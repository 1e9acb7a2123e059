// Inside of rpc: sockets, and the Thrift transport over them that buffers what is small and lets tensors pass straight.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <thrift/protocol/TBinaryProtocol.h>
#include <thrift/transport/TBufferTransports.h>
#include <thrift/transport/TVirtualTransport.h>
#include <utility>

#include "rpc/transport.h"

namespace psctl::rpc {

using Clock = std::chrono::steady_clock;

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();
  int get() const { return number_; }

 private:
  int number_;
};

// Listens there and puts the port or name that was chosen into `address`. Not blocking. RpcError kConnect.
Descriptor listen_at(Address& address);
// RpcError kConnect.
Descriptor connect_to(const Address& address, Duration timeout, Duration patience);
// Timeouts, keep-alive, no delay; and of a Unix socket, that the process at the other end is of this user (else
// RpcError kConnect).
void prepare_connected(int socket, Address::Kind kind, Duration timeout);
// Who is at the other end, for messages.
std::string peer_text(int socket, Address::Kind kind);

// A buffered transport over a connected, prepared socket. What it reads and writes of a message is limited in bytes and
// in time. It does what TBufferedTransport of 64 KiB would do, and four things more:
//  * readEnd() forgets how many bytes were consumed. Only flush() of a framed transport does so in Thrift 0.17, so that
//    a long-lived connection dies when all its messages together reach the limit of one;
//  * a tensor is received into its place, and sent from its place together with the bytes around it;
//  * the limit of a message's size holds for what is not tensor. The tensor's length is checked by whoever reads it;
//  * a message once begun has a deadline, until the peer is known to be one of ours: see trust().
// Failures are RpcErrors, which pass through Thrift's generated code as they are.
class Channel : public apache::thrift::transport::TVirtualTransport<Channel, apache::thrift::transport::TBufferBase> {
 public:
  // All of a message but its tensor.
  static constexpr std::size_t kMaxSmallBytes = std::size_t{1} << 20;

  // `socket` stays with the caller. `peer` is for messages.
  Channel(int socket, std::string peer, Duration timeout);

  // Waits until a message begins; its time counts from then on. Without `patient` it must begin within the timeout.
  // False: the peer closed instead.
  bool wait_message(bool patient);
  // The peer is of this run: from now on its messages may take as long as they take, if only something comes.
  void trust() { trusted_ = true; }
  // Since the message began.
  Duration message_age() const { return Clock::now() - begun_; }
  // The next bytes of the message, into their place.
  void read_tensor(std::span<std::byte> tensor);
  void discard(std::size_t bytes);
  // These bytes come next in the message that is being written; they are read when it is flushed.
  void attach(std::span<const std::byte> tensor);

  [[noreturn]] void malformed(const std::string& what) const;

  // Thrift's side.
  bool isOpen() const override { return true; }
  void close() override {}
  std::uint32_t readAll(std::uint8_t* to, std::uint32_t size) { return TBufferBase::readAll(to, size); }
  std::uint32_t readEnd() override;
  void flush() override;

 protected:
  std::uint32_t readSlow(std::uint8_t* to, std::uint32_t size) override;
  void writeSlow(const std::uint8_t* from, std::uint32_t size) override;
  const std::uint8_t* borrowSlow(std::uint8_t*, std::uint32_t*) override { return nullptr; }

 private:
  static constexpr std::size_t kBuffer = 64 * 1024;

  std::size_t buffered() const { return static_cast<std::size_t>(rBound_ - rBase_); }
  void fill();
  std::size_t receive(void* to, std::size_t size);
  void send(std::array<std::span<const std::byte>, 3> parts);
  void check_deadline() const;

  int socket_;
  std::string peer_;
  Duration timeout_;
  std::unique_ptr<std::uint8_t[]> read_buffer_, write_buffer_;
  std::size_t filled_ = 0;  // of this message, into the read buffer
  Clock::time_point begun_{};
  bool trusted_ = false;
  std::span<const std::byte> attached_;
  std::size_t attached_at_ = 0;  // how many bytes of the write buffer come before it
};

// Strict, with limits on strings and containers, so that a length on the wire never makes us allocate much; and every
// type that comes is one that exists, which Thrift takes for granted. RpcError kMalformed.
class Protocol : public apache::thrift::protocol::TBinaryProtocolT<Channel> {
 public:
  static constexpr int kMaxElements = 1 << 16;

  explicit Protocol(std::shared_ptr<Channel> channel)
      : TBinaryProtocolT(channel, static_cast<int>(Channel::kMaxSmallBytes), kMaxElements, true, true),
        channel_(*channel) {}

  using Type = apache::thrift::protocol::TType;
  using MessageType = apache::thrift::protocol::TMessageType;

  std::uint32_t readMessageBegin(std::string& name, MessageType& type, std::int32_t& sequence);
  std::uint32_t readFieldBegin(std::string& name, Type& type, std::int16_t& field);
  std::uint32_t readMapBegin(Type& key, Type& value, std::uint32_t& size);
  std::uint32_t readListBegin(Type& element, std::uint32_t& size);
  std::uint32_t readSetBegin(Type& element, std::uint32_t& size) { return readListBegin(element, size); }
  std::uint32_t skip(Type type) { return apache::thrift::protocol::skip(*this, type); }

  std::uint32_t readMessageBegin_virt(std::string& name, MessageType& type, std::int32_t& sequence) override {
    return readMessageBegin(name, type, sequence);
  }
  std::uint32_t readFieldBegin_virt(std::string& name, Type& type, std::int16_t& field) override {
    return readFieldBegin(name, type, field);
  }
  std::uint32_t readMapBegin_virt(Type& key, Type& value, std::uint32_t& size) override {
    return readMapBegin(key, value, size);
  }
  std::uint32_t readListBegin_virt(Type& element, std::uint32_t& size) override { return readListBegin(element, size); }
  std::uint32_t readSetBegin_virt(Type& element, std::uint32_t& size) override { return readSetBegin(element, size); }
  std::uint32_t skip_virt(Type type) override { return skip(type); }

 protected:
  Channel& channel() const { return channel_; }

 private:
  Type read_type();
  Type read_element_type();
  std::uint32_t read_size();

  Channel& channel_;
};

}  // namespace psctl::rpc
