// A small HTTP server on loopback that answers as a test says, well or badly, and remembers what it was asked.
#pragma once

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <cctype>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace psctl::test {

struct HttpRequest {
  std::string path;                            // without the first '/'
  std::map<std::string, std::string> headers;  // names in lower case
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

struct HttpAnswer {
  int status = 200;
  std::string body = {};
  std::vector<std::string> headers = {};  // "Name: value"; without a Content-Length among them, the body's
  bool tells_length = true;
  std::size_t cut_after = std::string::npos;  // bytes of the body; then the connection is closed
  bool stalls = false;                        // after those bytes; until the client goes
};

// As a sound server does it: If-Range, Range and all.
inline HttpAnswer serve(const HttpRequest& request, const std::string& content, const std::string& etag = "\"v1\"") {
  HttpAnswer answer{.headers = {"ETag: " + etag, "Accept-Ranges: bytes"}};
  const std::string range = request.header("range"), if_range = request.header("if-range");
  if (!range.starts_with("bytes=") || (!if_range.empty() && if_range != etag)) {
    answer.body = content;
    return answer;
  }
  const std::size_t from = std::stoul(range.substr(6));
  if (from >= content.size()) {
    answer.status = 416;
    answer.headers.push_back(fmt::format("Content-Range: bytes */{}", content.size()));
    return answer;
  }
  answer.status = 206;
  answer.body = content.substr(from);
  answer.headers.push_back(fmt::format("Content-Range: bytes {}-{}/{}", from, content.size() - 1, content.size()));
  return answer;
}

class HttpServer {
 public:
  using Handler = std::function<HttpAnswer(const HttpRequest&)>;  // called for one request at a time

  explicit HttpServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(name);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&name), length) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &length) != 0) {
      throw std::runtime_error("no port on loopback");
    }
    port_ = ntohs(name.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~HttpServer() {
    ended_ = true;
    acceptor_.join();
    for (std::thread& each : connections_) each.join();
    ::close(listener_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string address(const std::string& path = "") const { return fmt::format("http://127.0.0.1:{}/{}", port_, path); }
  std::vector<HttpRequest> requests() const {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }

 private:
  // Whether there is something to read, or somebody to accept; false when the server ends.
  bool await(int socket) const {
    while (!ended_) {
      pollfd look{.fd = socket, .events = POLLIN, .revents = 0};
      if (::poll(&look, 1, 5) > 0) return true;
    }
    return false;
  }

  void accept_all() {
    while (await(listener_)) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket >= 0) connections_.emplace_back([this, socket] { talk(socket); });
    }
  }

  void talk(int socket) {
    std::string head;
    char block[4096];
    while (head.find("\r\n\r\n") == std::string::npos && await(socket)) {
      const ssize_t count = ::recv(socket, block, sizeof(block), 0);
      if (count <= 0) break;
      head.append(block, static_cast<std::size_t>(count));
    }
    if (head.find("\r\n\r\n") != std::string::npos) answer(socket, parse(head));
    ::close(socket);
  }

  void answer(int socket, const HttpRequest& request) {
    HttpAnswer answer;
    {
      const std::scoped_lock lock(mutex_);
      requests_.push_back(request);
      answer = handler_(request);
    }
    std::string text = fmt::format("HTTP/1.1 {} Said\r\nConnection: close\r\n", answer.status);
    bool told = !answer.tells_length;
    for (const std::string& header : answer.headers) {
      text += header + "\r\n";
      told = told || header.starts_with("Content-Length:");
    }
    if (!told) text += fmt::format("Content-Length: {}\r\n", answer.body.size());
    text += "\r\n" + answer.body.substr(0, answer.cut_after);
    for (std::size_t sent = 0; sent < text.size() && !ended_;) {
      const ssize_t count = ::send(socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;
      sent += static_cast<std::size_t>(count);
    }
    while (answer.stalls && await(socket) && ::recv(socket, &text[0], 1, 0) > 0) {
    }
  }

  static HttpRequest parse(const std::string& head) {
    HttpRequest request;
    const std::size_t slash = head.find('/');
    request.path = head.substr(slash + 1, head.find(' ', slash) - slash - 1);
    for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
      const std::size_t end = head.find("\r\n", at), colon = head.find(": ", at);
      if (end == at || colon > end) break;
      std::string name = head.substr(at, colon - at);
      std::ranges::transform(name, name.begin(), [](unsigned char each) { return std::tolower(each); });
      request.headers[name] = head.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    return request;
  }

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> ended_ = false;
  mutable std::mutex mutex_;
  std::vector<HttpRequest> requests_;
  std::thread acceptor_;
  std::vector<std::thread> connections_;
};

}  // namespace psctl::test
