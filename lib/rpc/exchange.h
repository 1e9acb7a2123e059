// A worker's talk with its servers: it joins them, pushes, waits for its release and takes the model, cut over the
// servers by bytes. Courier does the same on a thread of its own, so that the worker computes on meanwhile.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/ids.h"
#include "learn/push.h"
#include "rpc/patience.h"
#include "rpc/transport.h"

namespace psctl::rpc {

// One push, or with number 0 the mere question what to do. A push whose request says how many coordinates it has is
// those, else it is dense. What the spans show stays as it is until the answer is
// there.
struct Message {
  wire::StepRequest request;         // all but upload_ns
  std::span<const float> push = {};  // the whole model's; empty: no tensor
  std::span<const learn::Coordinate> coordinates = {};
  std::span<float> model;                         // where a model that comes is put
  Duration network_delay{};                       // injected before the push
  std::chrono::steady_clock::time_point begun{};  // its time counts from here on
};

struct Response {
  enum class End { kReleased, kStopped, kCutOff };
  End end = End::kCutOff;
  wire::ReplyHeader release = {};  // of kReleased: its numbers can be, and the model is there if it says so
  bool sent = false;               // of kCutOff: the lead server knows the push
  // How the time from `begun` to `ended` divides; they add up to it. Measured on this side, but for how long the lead
  // server received and held.
  Duration push{}, wait{}, pull{};
  std::chrono::steady_clock::time_point begun{}, ended{};
};

// One thread at a time. Throws WorldError when a server is lost, refuses, or says what cannot be.
class Exchange {
 public:
  // `terminated` becoming true, or cut_off(), ends what takes long at the next occasion.
  Exchange(WorkerId worker, std::size_t parameters, const std::atomic<bool>& terminated);

  // False: terminated before all servers were there. Rank 0 comes first.
  bool join(const std::vector<Address>& addresses, const std::string& host, const Identity& identity,
            const Patience& patience);
  Response operator()(Message& message);
  void cut_off() { cut_off_ = true; }  // from any thread
  void bye(const wire::ByeRequest& request);

 private:
  struct Server {
    std::unique_ptr<Client> client;
    std::size_t begin = 0, size = 0;  // its range of the model
  };
  template <class Float>
  auto range_of(std::span<Float> tensor, const Server& server) const;
  std::span<const std::byte> piece_of(const Message& message, const Server& server) const;
  void send_pieces(const Message& message);
  void pull_the_rest(const wire::ReplyHeader& release, std::span<float> model);

  WorkerId worker_;
  std::size_t parameters_;
  const std::atomic<bool>& terminated_;
  std::atomic<bool> cut_off_ = false;
  std::vector<Server> servers_;
};

class Courier {
 public:
  // Nobody else uses the exchange as long as this lives.
  explicit Courier(Exchange& exchange);
  // Cuts off what is under way.
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  // Sets out with the message; wait() for the last one comes first.
  void send(Message message);
  bool back() const { return back_; }
  // What came of it, which may be the error that it threw. `terminated` becoming true cuts it off.
  Response wait(const std::atomic<bool>& terminated);

 private:
  void carry();

  Exchange& exchange_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Message> message_;
  Response response_;
  std::exception_ptr error_;
  bool cut_ = false;
  std::atomic<bool> back_ = false;
  std::thread thread_;
};

}  // namespace psctl::rpc
