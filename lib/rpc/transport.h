// How bytes and requests travel between processes: Thrift's binary protocol over Unix or TCP sockets, one thread a
// connection, with tensors going straight between socket and parameter buffer. What the requests mean is not known
// here; whatever comes over the wire is checked before it is used.
//
// Both ends of a connection begin with a hello: which run they are of, by which configuration and on which data. Each
// refuses the other where these differ, and no call is served before.
//
// Times: a peer that neither reads nor sends for `timeout`, while it owes that, is given up. A peer that is slow is
// not; but the hello must be complete within `timeout`.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "rpc/wire/psctl_types.h"

namespace psctl::rpc {

// The length of a Thrift `binary` is an i32: no tensor of a message can be longer.
inline constexpr std::size_t kMaxTensorBytes = 0x7fffffff;
// Throws UserError, saying what to do, if a server's range of the model does not fit a message.
void check_tensor_bytes(std::size_t bytes);

// Not this process failed, another one of the run did: it is gone, or refused what this one sent.
class PeerError : public WorldError {
  using WorldError::WorldError;
};

// Why a connection or a call failed. All kinds but kRefused end the connection for good.
class RpcError : public PeerError {
 public:
  enum class Kind {
    kConnect,    // nobody there, or nobody with room for us
    kTimeout,    // the peer fell silent, or does not read
    kClosed,     // the peer, or a shutdown, closed the connection
    kMalformed,  // what came is not what the protocol says
    kRefused,    // the peer understood and said no; the connection stays, unless it was its hello
  };
  RpcError(Kind kind, const std::string& message) : PeerError(message), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

// Where a server listens: an abstract Unix socket (it leaves no file; only processes of the same user may talk over it)
// or a TCP port.
struct Address {
  enum class Kind { kUnix, kTcp };
  Kind kind = Kind::kUnix;
  std::string host;        // kTcp: a name or a number; kUnix: the name of the socket
  std::uint16_t port = 0;  // kTcp

  // An empty name lets the kernel choose a free one when a server listens.
  static Address unix_socket(std::string name = {}) { return {Kind::kUnix, std::move(name), 0}; }
  // Port 0 lets the kernel choose a free one when a server listens. Other machines reach it only if `host` says so.
  static Address tcp(std::uint16_t port = 0, std::string host = "127.0.0.1") {
    return {Kind::kTcp, std::move(host), port};
  }
  // "unix:name", "host:port" or "[2001:db8::1]:port". UserError if it is none of them.
  static Address parse(const std::string& text);
  std::string text() const;  // parse() reads it back
  friend bool operator==(const Address&, const Address&) = default;
};

// What the processes of a run must have in common. `token` is a secret of the run that is never sent: each end proves
// to the other that it knows it. Empty values are equal to empty values only.
struct Identity {
  std::string run, token;
  std::string configuration, data;  // digests
};
using Role = wire::Role::type;

// ---------------------------------------------------------------- the server's side

// The place for a tensor that is about to come. `owner` keeps the bytes alive until the request has been answered, or
// until its connection broke.
struct Incoming {
  std::span<std::byte> bytes;
  std::shared_ptr<void> owner;
};
// A tensor to send, straight from where it is. `owner` is dropped as soon as the bytes were written, or could not be.
struct Outgoing {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};
struct StepAnswer {
  wire::ReplyHeader header;
  Outgoing tensor;
};

// One accepted connection, as its session sees it. It outlives the session.
class Connection {
 public:
  std::uint64_t number() const { return number_; }   // from 1, in the order of arrival
  const std::string& peer() const { return peer_; }  // "connection 3 from 127.0.0.1:40312", for messages
  // Of the client; once its hello was accepted, which is before any call of the session.
  Role role() const { return role_; }
  std::int32_t worker() const { return worker_; }  // as it says; of Role::WORKER
  bool peer_gone() const;                          // it hung up, or the server shuts down

 private:
  friend class Hold;
  friend class Server;
  Connection(int socket, std::uint64_t number, std::string peer);
  int socket_;
  std::uint64_t number_;
  std::string peer_;
  Role role_ = Role::WATCHER;
  std::int32_t worker_ = -1;
};

// Lets a session wait for a release by another thread while the kernel watches whether its peer hangs up. Costs nothing
// while it waits.
class Hold {
 public:
  enum class End { kReleased, kPeerGone, kTimeout };  // the server's shutdown counts as kPeerGone

  explicit Hold(const Connection& connection);
  ~Hold();
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  // Waits for one release; a release that came before counts and is used up. If several ends hold, the first named one.
  End wait_until(std::chrono::steady_clock::time_point deadline);
  void release();  // from any thread, as long as the Hold lives; two before a wait count as one

 private:
  int socket_;
  int event_;
};

enum class Closing {
  kPeerLeft,  // the peer closed between two requests
  kShutdown,  // this server shut down
  kFault,     // anything else: hung up or fell silent within a message, or sent what is none
};

// What a server does for one connection. All methods are called on the connection's own thread. An exception of any
// method that answers is told to the peer as a refusal (RpcError::kRefused there) and the connection goes on; so
// `what()` must be fit for the peer's eyes.
class Session {
 public:
  virtual ~Session() = default;

  // Whether a client of this role may call the method: else the call is refused unread, and the connection is closed.
  virtual bool serves(std::string_view method, Role role) const;

  // Where the tensor of a request is to go, or its coordinates. Called once a request, when all of it but the tensor is
  // known; length 0: no tensor comes. `bytes` must have that length; an exception refuses the request, whose tensor is
  // then thrown away.
  virtual Incoming destination(const wire::StepRequest& request, std::size_t length);
  virtual Incoming destination(const wire::PieceRequest& request, std::size_t length);

  // These may take their time: see Hold. `receive`: from the first byte of the request to its last. The caller fills in
  // receive_ns and hold_ns of the reply.
  virtual StepAnswer step(const wire::StepRequest& request, Incoming tensor, Duration receive);
  virtual wire::PieceReply piece(const wire::PieceRequest& request, Incoming tensor, Duration receive);
  virtual StepAnswer pull(const wire::PullRequest& request);

  virtual wire::JoinReply join(const wire::JoinRequest& request);
  virtual void bye(const wire::ByeRequest& request);
  virtual void execute(const std::vector<wire::Order>& orders);
  virtual wire::Status status();
  virtual wire::EvaluationOrder next_evaluation();
  virtual void evaluated(const wire::EvaluationResult& result);
  virtual void stop(const std::string& reason);

  // The last call. `why` is a sentence for the log.
  virtual void closed(Closing closing, const std::string& why);
};

struct ServerOptions {
  std::size_t max_connections = 1024;  // more are turned away
  // Of those, at most so many whose hello has not come yet: of more the oldest is cut.
  std::size_t max_strangers = 128;
  Duration timeout = std::chrono::seconds(15);
  Identity identity = {};
  // Told of connections that were turned away; on any thread, one at a time.
  std::function<void(const std::string&)> report = [](const std::string&) {};
};

// Listens when constructed (RpcError kConnect if it cannot), serves each connection on a thread of its own. Between its
// requests a connection may rest as long as it likes, but must say hello within the timeout.
class Server {
 public:
  // Called on the connection's thread, before its hello; an exception turns the connection away.
  using Accept = std::function<std::unique_ptr<Session>(const Connection&)>;

  Server(const Address& address, Accept accept, ServerOptions options = {});
  ~Server();  // shutdown()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const Address& address() const;   // with the port or the name that was chosen
  std::size_t connections() const;  // now open

  // Accepts no more, lets answers that are being made go out for as long as `grace`, then cuts every connection, and
  // returns when all their threads have ended. Holds end at once, with kPeerGone. Any thread but a session's; may be
  // called again.
  void shutdown(Duration grace = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// ---------------------------------------------------------------- the client's side

struct ClientOptions {
  Duration timeout = std::chrono::seconds(15);  // until the first byte of an answer; and as said above
  Duration patience{};                          // tries again for so long while nobody listens at the address
  Role role = Role::WATCHER;
  std::int32_t worker = -1;  // of Role::WORKER
  Identity identity = {};
};

// What came back, and how the time of the call divides.
struct Answer {
  wire::ReplyHeader header;
  bool tensor = false;  // the destination was filled; else it is untouched
  Duration send{};      // until the last byte was handed to the kernel
  Duration wait{};      // from there to the first byte of the answer
  Duration receive{};   // from there to its last
};

// One connection to a server. One thread at a time, but for interrupt(). Failures are RpcErrors; after one of another
// kind than kRefused the connection is dropped and every later call throws the same error. A destination may have been
// written to in part by a call that failed.
class Client {
 public:
  explicit Client(const Address& address, ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // A tensor that comes back must be exactly as long as `model`, or empty.
  Answer step(const wire::StepRequest& request, std::span<const std::byte> push, std::span<std::byte> model);
  wire::PieceReply piece(const wire::PieceRequest& request, std::span<const std::byte> piece);
  Answer pull(const wire::PullRequest& request, std::span<std::byte> model);

  // The same in two parts, so that several servers work at the same time. After send_X, receive_X is next.
  void send_step(const wire::StepRequest& request, std::span<const std::byte> push);
  Answer receive_step(std::span<std::byte> model);
  void send_piece(const wire::PieceRequest& request, std::span<const std::byte> piece);
  wire::PieceReply receive_piece();
  void send_pull(const wire::PullRequest& request);
  Answer receive_pull(std::span<std::byte> model);

  // What is not tensor may take 1 MiB, and a list 65,536 elements: the server drops a connection that sends more.
  wire::JoinReply join(const wire::JoinRequest& request);
  void bye(const wire::ByeRequest& request);
  void execute(const std::vector<wire::Order>& orders);
  wire::Status status();
  wire::EvaluationOrder next_evaluation();
  void evaluated(const wire::EvaluationResult& result);
  void stop(const std::string& reason);

  // From any thread: the call in progress, if there is one, and all later ones fail with kClosed.
  void interrupt();

  const Address& address() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace psctl::rpc
