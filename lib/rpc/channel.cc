#include "rpc/channel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace psctl::rpc {
namespace {

using Kind = RpcError::Kind;

// More than this in one system call leaves the cache before the other end has read it.
constexpr std::size_t kPiece = 256 * 1024;

std::string reason(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail(const Address& address, const std::string& what, const std::string& advice) {
  throw RpcError(Kind::kConnect, fmt::format("{}: {}; {}", address.text(), what, advice));
}

void set_option(int socket, int level, int name, int value) {
  if (::setsockopt(socket, level, name, &value, sizeof value) != 0) {
    throw RpcError(Kind::kConnect, fmt::format("socket option {} cannot be set: {}", name, reason(errno)));
  }
}

void set_timeout(int socket, int name, Duration timeout) {
  timeval value{};
  value.tv_sec = static_cast<time_t>(timeout / std::chrono::seconds(1));
  value.tv_usec = static_cast<suseconds_t>(timeout % std::chrono::seconds(1) / std::chrono::microseconds(1));
  if (value.tv_sec == 0 && value.tv_usec == 0) value.tv_usec = 1;
  if (::setsockopt(socket, SOL_SOCKET, name, &value, sizeof value) != 0) {
    throw RpcError(Kind::kConnect, fmt::format("socket option {} cannot be set: {}", name, reason(errno)));
  }
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress unix_address(const Address& address) {
  SocketAddress result;
  auto* const name = reinterpret_cast<sockaddr_un*>(&result.storage);
  name->sun_family = AF_UNIX;
  if (address.host.size() > sizeof name->sun_path - 1) {
    fail(address, "the name of the socket is too long", "107 bytes are the most");
  }
  result.size = offsetof(sockaddr_un, sun_path);
  if (!address.host.empty()) {
    std::memcpy(name->sun_path + 1, address.host.data(), address.host.size());
    result.size += static_cast<socklen_t>(1 + address.host.size());
  }
  return result;
}

std::vector<SocketAddress> resolve(const Address& address, bool to_listen) {
  if (address.kind == Address::Kind::kUnix) return {unix_address(address)};
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) fail(address, ::gai_strerror(error), "check the name of the host");
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  std::vector<SocketAddress> result;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    SocketAddress& place = result.emplace_back();
    std::memcpy(&place.storage, one->ai_addr, one->ai_addrlen);
    place.size = one->ai_addrlen;
  }
  return result;
}

Descriptor new_socket(int family) {
  Descriptor result(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (result.get() < 0) {
    throw RpcError(Kind::kConnect,
                   fmt::format("no socket: {}; raise the limit of open files (ulimit -n)", reason(errno)));
  }
  return result;
}

// 0, or why not.
int connect_once(int socket, const SocketAddress& address, Duration timeout) {
  if (::connect(socket, address.get(), address.size) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd wanted{socket, POLLOUT, 0};
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000)));
    if (ready > 0) break;
    if (ready == 0 && left <= 0) return ETIMEDOUT;
    if (ready < 0 && errno != EINTR) return errno;
  }
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

std::uint16_t port_of(const SocketAddress& address) {
  return address.storage.ss_family == AF_INET6
             ? ntohs(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port)
             : ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Descriptor listen_at(Address& address) {
  int error = 0;
  for (const SocketAddress& place : resolve(address, true)) {
    Descriptor socket = new_socket(place.storage.ss_family);
    if (address.kind == Address::Kind::kTcp) set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(socket.get(), place.get(), place.size) != 0 || ::listen(socket.get(), 1024) != 0) {
      error = errno;
      continue;
    }
    SocketAddress chosen;
    chosen.size = sizeof chosen.storage;
    PSCTL_CHECK(::getsockname(socket.get(), chosen.get(), &chosen.size) == 0);
    if (address.kind == Address::Kind::kTcp) {
      address.port = port_of(chosen);
    } else {
      const auto* const name = reinterpret_cast<const sockaddr_un*>(&chosen.storage);
      address.host.assign(name->sun_path + 1, chosen.size - offsetof(sockaddr_un, sun_path) - 1);
    }
    return socket;
  }
  fail(address, "cannot listen there: " + reason(error),
       error == EADDRINUSE ? "another process does; give another port or name, or end that process"
                           : "give an address of this machine");
}

Descriptor connect_to(const Address& address, Duration timeout, Duration patience) {
  const auto deadline = Clock::now() + patience;
  auto pause = std::chrono::milliseconds(1);
  for (;;) {
    int error = 0;
    for (const SocketAddress& place : resolve(address, false)) {
      Descriptor socket = new_socket(place.storage.ss_family);
      error = connect_once(socket.get(), place, timeout);
      if (error == 0) return socket;
    }
    if (Clock::now() >= deadline) {
      fail(address, "nobody answers there: " + reason(error),
           "check that the server runs and that this is its address");
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(100));
  }
}

void prepare_connected(int socket, Address::Kind kind, Duration timeout) {
  PSCTL_CHECK(timeout > Duration::zero(), "a timeout must be positive");
  int nonblocking = 0;
  PSCTL_CHECK(::ioctl(socket, FIONBIO, &nonblocking) == 0);
  set_timeout(socket, SO_RCVTIMEO, timeout);
  set_timeout(socket, SO_SNDTIMEO, timeout);
  if (kind == Address::Kind::kTcp) {
    set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    // A machine that vanished without a word is noticed after the timeout, 25 s at the least.
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(timeout).count();
    const auto probes = std::clamp<std::int64_t>((seconds - 10) / 5, 3, 100);
    set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(probes));
  } else {
    ucred peer{};
    socklen_t size = sizeof peer;
    PSCTL_CHECK(::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
    if (peer.uid != ::geteuid() && peer.uid != 0) {
      throw RpcError(Kind::kConnect,
                     fmt::format("process {} at the other end of the Unix socket is of user {}, not {}: "
                                 "start servers and workers as the same user",
                                 peer.pid, peer.uid, ::geteuid()));
    }
  }
}

std::string peer_text(int socket, Address::Kind kind) {
  if (kind == Address::Kind::kUnix) {
    ucred peer{};
    socklen_t size = sizeof peer;
    ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    return fmt::format("process {}", peer.pid);
  }
  SocketAddress peer;
  peer.size = sizeof peer.storage;
  char host[NI_MAXHOST] = "?";
  if (::getpeername(socket, peer.get(), &peer.size) != 0 ||
      ::getnameinfo(peer.get(), peer.size, host, sizeof host, nullptr, 0, NI_NUMERICHOST) != 0) {
    return "an unknown address";
  }
  return Address::tcp(port_of(peer), host).text();
}

Channel::Channel(int socket, std::string peer, Duration timeout)
    : TVirtualTransport(std::make_shared<apache::thrift::TConfiguration>(static_cast<int>(kMaxSmallBytes),
                                                                         static_cast<int>(kMaxSmallBytes))),
      socket_(socket),
      peer_(std::move(peer)),
      timeout_(timeout),
      read_buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kBuffer)),
      write_buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kBuffer)) {
  setReadBuffer(read_buffer_.get(), 0);
  setWriteBuffer(write_buffer_.get(), kBuffer);
}

void Channel::malformed(const std::string& what) const {
  throw RpcError(Kind::kMalformed, fmt::format("{} sent what is not a message of psctl: {}", peer_, what));
}

void Channel::check_deadline() const {
  if (!trusted_ && message_age() > timeout_) {
    throw RpcError(Kind::kTimeout,
                   fmt::format("{} has not said hello within {:.3g} s: gave it up", peer_, to_seconds(timeout_)));
  }
}

bool Channel::wait_message(bool patient) {
  while (buffered() == 0) {
    const ssize_t got = ::recv(socket_, read_buffer_.get(), kBuffer, 0);
    if (got > 0) {
      setReadBuffer(read_buffer_.get(), static_cast<std::uint32_t>(got));
    } else if (got == 0) {
      return false;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!patient) {
        throw RpcError(Kind::kTimeout, fmt::format("{} has sent nothing for {:.3g} s: check that it is still at work",
                                                   peer_, to_seconds(timeout_)));
      }
    } else if (errno != EINTR) {
      throw RpcError(Kind::kClosed, fmt::format("the connection with {} broke: {}", peer_, reason(errno)));
    }
  }
  begun_ = Clock::now();
  filled_ = buffered();
  return true;
}

std::size_t Channel::receive(void* to, std::size_t size) {
  for (;;) {
    const ssize_t got = ::recv(socket_, to, size, 0);
    if (got > 0) {
      check_deadline();
      return static_cast<std::size_t>(got);
    }
    if (got == 0) {
      throw RpcError(Kind::kClosed, fmt::format("{} closed the connection in the middle of a message", peer_));
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      throw RpcError(Kind::kTimeout, fmt::format("{} fell silent for {:.3g} s in the middle of a message", peer_,
                                                 to_seconds(timeout_)));
    }
    if (errno != EINTR) {
      throw RpcError(Kind::kClosed, fmt::format("the connection with {} broke: {}", peer_, reason(errno)));
    }
    check_deadline();
  }
}

void Channel::fill() {
  if (filled_ >= kMaxSmallBytes) malformed(fmt::format("more than {} bytes that are not tensor", kMaxSmallBytes));
  const std::size_t got = receive(read_buffer_.get(), kBuffer);
  filled_ += got;
  setReadBuffer(read_buffer_.get(), static_cast<std::uint32_t>(got));
}

std::uint32_t Channel::readSlow(std::uint8_t* to, std::uint32_t size) {
  if (buffered() == 0) fill();
  const auto give = std::min(size, static_cast<std::uint32_t>(buffered()));
  std::memcpy(to, rBase_, give);
  rBase_ += give;
  return give;
}

void Channel::read_tensor(std::span<std::byte> tensor) {
  const std::size_t at_hand = std::min(tensor.size(), buffered());
  std::copy_n(reinterpret_cast<const std::byte*>(rBase_), at_hand, tensor.data());
  rBase_ += at_hand;
  tensor = tensor.subspan(at_hand);
  while (!tensor.empty()) tensor = tensor.subspan(receive(tensor.data(), std::min(tensor.size(), kPiece)));
}

void Channel::discard(std::size_t bytes) {
  const std::size_t at_hand = std::min(bytes, buffered());
  rBase_ += at_hand;
  for (bytes -= at_hand; bytes > 0;) bytes -= receive(read_buffer_.get(), std::min(bytes, kBuffer));
}

std::uint32_t Channel::readEnd() {
  resetConsumedMessageSize();
  filled_ = buffered();
  return 0;
}

void Channel::attach(std::span<const std::byte> tensor) {
  if (tensor.empty()) return;
  if (!attached_.empty()) flush();
  attached_ = tensor;
  attached_at_ = static_cast<std::size_t>(wBase_ - write_buffer_.get());
}

void Channel::writeSlow(const std::uint8_t* from, std::uint32_t size) {
  flush();
  if (size <= kBuffer) {
    std::memcpy(wBase_, from, size);
    wBase_ += size;
  } else {
    send({std::as_bytes(std::span(from, size))});
  }
}

void Channel::flush() {
  const auto buffer = std::as_bytes(std::span(write_buffer_.get(), wBase_));
  const auto tensor = std::exchange(attached_, {});
  const std::size_t before = tensor.empty() ? buffer.size() : attached_at_;
  wBase_ = write_buffer_.get();
  send({buffer.first(before), tensor, buffer.subspan(before)});
}

void Channel::send(std::array<std::span<const std::byte>, 3> parts) {
  std::size_t left = parts[0].size() + parts[1].size() + parts[2].size();
  while (left > 0) {
    std::array<iovec, 3> pieces{};
    std::size_t room = kPiece;
    for (std::size_t part = 0; part < parts.size(); ++part) {
      const std::size_t size = std::min(parts[part].size(), room);
      pieces[part] = {const_cast<std::byte*>(parts[part].data()), size};
      room -= size;
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    const ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      throw RpcError(Kind::kTimeout,
                     fmt::format("{} has read nothing of a message for {:.3g} s", peer_, to_seconds(timeout_)));
    }
    if (sent < 0 && errno != EINTR) {
      throw RpcError(Kind::kClosed, fmt::format("the connection with {} broke: {}", peer_, reason(errno)));
    }
    auto done = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    left -= done;
    for (auto& part : parts) {
      const std::size_t size = std::min(part.size(), done);
      part = part.subspan(size);
      done -= size;
    }
  }
}

// What these return, the bytes read, nobody uses.

std::uint32_t Protocol::readMessageBegin(std::string& name, MessageType& type, std::int32_t& sequence) {
  std::int32_t word = 0;
  readI32(word);
  const auto header = static_cast<std::uint32_t>(word);
  constexpr std::uint32_t kVersion = 0x80010000;
  if ((header & 0xffff0000) != kVersion) channel_.malformed(fmt::format("it begins with {:#010x}", header));
  const std::uint32_t kind = header & 0xff;
  if (kind < apache::thrift::protocol::T_CALL || kind > apache::thrift::protocol::T_ONEWAY) {
    channel_.malformed(fmt::format("a message of type {}", kind));
  }
  type = static_cast<MessageType>(kind);
  readString(name);
  readI32(sequence);
  return 0;
}

Protocol::Type Protocol::read_type() {
  std::int8_t type = 0;
  readByte(type);
  switch (type) {
    case apache::thrift::protocol::T_STOP:
    case apache::thrift::protocol::T_BOOL:
    case apache::thrift::protocol::T_BYTE:
    case apache::thrift::protocol::T_DOUBLE:
    case apache::thrift::protocol::T_I16:
    case apache::thrift::protocol::T_I32:
    case apache::thrift::protocol::T_I64:
    case apache::thrift::protocol::T_STRING:
    case apache::thrift::protocol::T_STRUCT:
    case apache::thrift::protocol::T_MAP:
    case apache::thrift::protocol::T_SET:
    case apache::thrift::protocol::T_LIST:
      return static_cast<Type>(type);
    default:
      channel_.malformed(fmt::format("a field of type {}", type));
  }
}

Protocol::Type Protocol::read_element_type() {
  const Type type = read_type();
  if (type == apache::thrift::protocol::T_STOP) channel_.malformed("elements of no type");
  return type;
}

std::uint32_t Protocol::read_size() {
  std::int32_t size = 0;
  readI32(size);
  if (size < 0 || size > kMaxElements) channel_.malformed(fmt::format("{} elements", size));
  return static_cast<std::uint32_t>(size);
}

std::uint32_t Protocol::readFieldBegin(std::string&, Type& type, std::int16_t& field) {
  type = read_type();
  field = 0;
  if (type != apache::thrift::protocol::T_STOP) readI16(field);
  return 0;
}

std::uint32_t Protocol::readMapBegin(Type& key, Type& value, std::uint32_t& size) {
  key = read_element_type();
  value = read_element_type();
  size = read_size();
  return 0;
}

std::uint32_t Protocol::readListBegin(Type& element, std::uint32_t& size) {
  element = read_element_type();
  size = read_size();
  return 0;
}

}  // namespace psctl::rpc
