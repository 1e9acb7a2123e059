#include "fetch/download.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <curl/curl.h>
#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <strings.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"

namespace psctl::fetch {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kMostPause{60'000};
constexpr std::size_t kMostErrorPage = std::size_t{1} << 16;  // of the body of an answer that is no file

// Where a part came from, and which version of the file it is of.
struct Tag {
  std::string address;
  std::string validator;  // as If-Range takes it; empty: the server named none
};

// A file on its way, and its Tag in a file beside it.
class PartFile {
 public:
  explicit PartFile(const fs::path& whole) : whole_(whole), path_(part_of(whole)), tag_path_(path_.string() + ".tag") {
    descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (descriptor_ < 0)
      throw UserError(fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
    struct stat status {};
    if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
      close(descriptor_);
      throw UserError(fmt::format("{}: expected a file, found something else", path_.string()));
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
    std::ifstream file(tag_path_);
    if (!std::getline(file, tag_.address) || !std::getline(file, tag_.validator)) tag_ = {};
  }
  ~PartFile() { close(descriptor_); }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  std::uint64_t size() const { return size_; }
  const Tag& tag() const { return tag_; }

  void append(std::span<const char> bytes) {
    while (!bytes.empty()) {
      const ssize_t count = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail();
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      size_ += static_cast<std::uint64_t>(count);
    }
  }

  void begin_anew(Tag tag) {
    // In this order, so that a part is never taken for one of another version.
    std::error_code ignored;
    fs::remove(tag_path_, ignored);
    if (ftruncate(descriptor_, 0) != 0) fail();
    size_ = 0;
    tag_ = std::move(tag);
    if (tag_.address.empty()) return;
    std::ofstream file(tag_path_);
    file << tag_.address << '\n' << tag_.validator << '\n';
  }

  // Of all that is there.
  std::string sha256() const { return sha256_of_file(path_.string()); }

  void take_name() {
    if (rename(path_.c_str(), whole_.c_str()) != 0) fail();
    std::error_code ignored;
    fs::remove(tag_path_, ignored);
  }

 private:
  [[noreturn]] void fail() const {
    throw WorldError(
        fmt::format("{}: cannot be written: {}; what is there can be continued", path_.string(), std::strerror(errno)));
  }

  fs::path whole_, path_, tag_path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  Tag tag_;
};

// What the header of an answer says.
struct Answer {
  std::string etag, last_modified;
  std::optional<std::uint64_t> length;
  std::optional<std::uint64_t> range_begin, range_total;

  std::string validator() const { return etag.empty() || etag.starts_with("W/") ? last_modified : etag; }
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "bytes 5-9/10", "bytes 5-9/*" or "bytes */10".
void read_range(std::string_view text, Answer& answer) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return;
  text.remove_prefix(kUnit.size());
  const std::size_t slash = text.find('/'), dash = text.find('-');
  if (slash == std::string_view::npos) return;
  answer.range_total = number(text.substr(slash + 1));
  if (dash < slash) answer.range_begin = number(text.substr(0, dash));
}

void read_header(std::string_view line, Answer& answer) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) answer = {};  // after a redirect another header follows
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name(line.substr(0, colon));
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  const auto is = [&](const char* other) { return strcasecmp(name.c_str(), other) == 0; };
  if (is("ETag")) answer.etag = value;
  if (is("Last-Modified")) answer.last_modified = value;
  if (is("Content-Length")) answer.length = number(value);
  if (is("Content-Range")) read_range(value, answer);
}

enum class End { kWhole, kAgain, kHopeless, kInterrupted };

struct Verdict {
  End end = End::kAgain;
  std::string why = {};
  milliseconds pause{};  // that the server asked for
};

// One request to one address.
class Attempt {
 public:
  Attempt(const Wanted& wanted, const std::string& address, const Patience& patience, const Watch& watch,
          PartFile& part)
      : wanted_(wanted), address_(address), patience_(patience), watch_(watch), part_(part), easy_(curl_easy_init()) {
    PSCTL_CHECK(easy_, "curl_easy_init failed");
  }
  ~Attempt() {
    curl_easy_cleanup(easy_);
    curl_slist_free_all(headers_);
  }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  Verdict run() {
    ask();
    const CURLcode code = curl_easy_perform(easy_);
    if (failure_) std::rethrow_exception(failure_);
    if (watch_.stopped()) return {.end = End::kInterrupted};
    // An answer without a body has not been looked at yet.
    if (!verdict_ && code == CURLE_OK && !begun_) begin_body();
    if (verdict_) return *verdict_;
    if (code != CURLE_OK) return {.end = is_hopeless(code) ? End::kHopeless : End::kAgain, .why = words(code)};
    if (wanted_.bytes > 0 && part_.size() < wanted_.bytes) {
      return {.why = fmt::format("ended after {} of {} bytes", part_.size(), wanted_.bytes)};
    }
    return {.end = End::kWhole};
  }

 private:
  static bool is_hopeless(CURLcode code) {
    constexpr std::array kHopeless{CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_TOO_MANY_REDIRECTS,
                                   CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE};
    return std::ranges::find(kHopeless, code) != kHopeless.end();
  }

  std::string words(CURLcode code) const {
    if (code == CURLE_TOO_MANY_REDIRECTS) return fmt::format("redirects more than {} times", kMostRedirects);
    if (code == CURLE_PARTIAL_FILE) return fmt::format("broke off after {} bytes", part_.size());
    return error_[0] != '\0' ? error_.data() : curl_easy_strerror(code);
  }

  template <class Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(easy_, option, value);
    PSCTL_CHECK(code == CURLE_OK, curl_easy_strerror(code));
  }

  void ask() {
    const Tag& tag = part_.tag();
    const bool same_place = tag.address == address_ && !tag.validator.empty();
    from_ = part_.size() > 0 && (same_place || !wanted_.sha256.empty()) ? part_.size() : 0;
    if (from_ > 0) {
      set(CURLOPT_RANGE, fmt::format("{}-", from_).c_str());
      if (same_place) headers_ = curl_slist_append(headers_, ("If-Range: " + tag.validator).c_str());
    }
    const bool secure = address_.starts_with("https:");
    set(CURLOPT_URL, address_.c_str());
    set(CURLOPT_HTTPHEADER, headers_);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, kMostRedirects);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(patience_.connect.count()));
    set(CURLOPT_USERAGENT, "psctl");
    set(CURLOPT_ERRORBUFFER, error_.data());
    set(CURLOPT_HEADERFUNCTION, &on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &on_progress);
    set(CURLOPT_XFERINFODATA, this);
  }

  // Exceptions do not pass through the library: they are kept until it has returned.
  static std::size_t on_header(char* bytes, std::size_t, std::size_t count, void* self) {
    read_header({bytes, count}, static_cast<Attempt*>(self)->answer_);
    return count;
  }
  static std::size_t on_body(char* bytes, std::size_t, std::size_t count, void* self) {
    auto& attempt = *static_cast<Attempt*>(self);
    try {
      return attempt.take({bytes, count}) ? count : CURL_WRITEFUNC_ERROR;
    } catch (...) {
      attempt.failure_ = std::current_exception();
      return CURL_WRITEFUNC_ERROR;
    }
  }
  // Called at least once a second.
  static int on_progress(void* self, curl_off_t, curl_off_t received, curl_off_t, curl_off_t) {
    return static_cast<Attempt*>(self)->goes_on(received) ? 0 : 1;
  }

  bool goes_on(curl_off_t received) {
    if (watch_.stopped()) return false;
    const auto now = std::chrono::steady_clock::now();
    if (now - looked_ < patience_.stall) return true;
    if (received - received_then_ < kLeastSpeed * patience_.stall.count()) {
      if (verdict_) return false;
      verdict_ = {
          .why = fmt::format("sent no more than {} bytes in {} s", received - received_then_, patience_.stall.count())};
      return false;
    }
    looked_ = now;
    received_then_ = received;
    return true;
  }

  bool take(std::span<const char> bytes) {
    if (!begun_) begin_body();
    if (verdict_) return (error_page_ += bytes.size()) < kMostErrorPage;
    const std::uint64_t most = wanted_.bytes > 0 ? wanted_.bytes : wanted_.most_bytes;
    if (bytes.size() > most - std::min(most, part_.size())) {
      part_.begin_anew({});
      verdict_ = {.end = End::kHopeless, .why = fmt::format("sends more than {} bytes", most)};
      return false;
    }
    part_.append(bytes);
    if (watch_.progress) watch_.progress(part_.size(), total_);
    return true;
  }

  // Looks at the header of the final answer: is this the file, and from where on?
  void begin_body() {
    begun_ = true;
    long code = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &code);
    if (code == 206 && from_ > 0) {
      const Tag& tag = part_.tag();
      const bool other_version = !answer_.validator().empty() && tag.address == address_ && !tag.validator.empty() &&
                                 answer_.validator() != tag.validator;
      if (answer_.range_begin != from_ || other_version) return start_over("has another version of the file now");
      if (!fits(answer_.range_total)) return;
      total_ = answer_.range_total.value_or(0);
    } else if (code == 416 && from_ > 0) {
      if (answer_.range_total == from_ && fits(answer_.range_total)) {
        verdict_ = {.end = End::kWhole};
      } else {
        start_over("has no such part of the file");
      }
    } else if (code == 200) {
      if (!fits(answer_.length)) return;
      total_ = answer_.length.value_or(0);
      part_.begin_anew({.address = address_, .validator = answer_.validator()});
    } else {
      refuse(code);
    }
  }

  void start_over(const char* why) {
    part_.begin_anew({});
    verdict_ = {.why = why};
  }

  bool fits(std::optional<std::uint64_t> total) {
    if (!total) return true;
    if (wanted_.bytes > 0 ? *total == wanted_.bytes : *total <= wanted_.most_bytes) return true;
    verdict_ = {.end = End::kHopeless,
                .why = fmt::format("has a file of {} bytes, expected {}{}", *total, wanted_.bytes > 0 ? "" : "at most ",
                                   wanted_.bytes > 0 ? wanted_.bytes : wanted_.most_bytes)};
    return false;
  }

  void refuse(long code) {
    constexpr std::array kPassing{408L, 425L, 429L, 500L, 502L, 503L, 504L};
    const bool passing = std::ranges::find(kPassing, code) != kPassing.end();
    curl_off_t seconds = 0;
    curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &seconds);
    verdict_ = {.end = passing ? End::kAgain : End::kHopeless,
                .why = fmt::format("answers {}", code),
                .pause = std::min<milliseconds>(kMostPause, std::chrono::seconds(std::min<curl_off_t>(seconds, 3600)))};
  }

  const Wanted& wanted_;
  const std::string& address_;
  const Patience& patience_;
  const Watch& watch_;
  PartFile& part_;
  CURL* easy_;
  curl_slist* headers_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::uint64_t from_ = 0, total_ = 0;
  Answer answer_;
  bool begun_ = false;
  std::size_t error_page_ = 0;
  std::chrono::steady_clock::time_point looked_ = std::chrono::steady_clock::now();
  curl_off_t received_then_ = 0;
  std::optional<Verdict> verdict_;
  std::exception_ptr failure_;
};

// Says whether nobody interrupted it.
bool sleep(milliseconds pause, const Watch& watch) {
  constexpr milliseconds kLook{50};
  const auto end = std::chrono::steady_clock::now() + pause;
  while (!watch.stopped()) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    if (left <= milliseconds::zero()) return true;
    std::this_thread::sleep_for(std::min(left, kLook));
  }
  return false;
}

void set_up_library() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  PSCTL_CHECK(code == CURLE_OK, curl_easy_strerror(code));
}

struct Source {
  std::string address;
  bool hopeless = false;
  std::string why = {};
};

}  // namespace

fs::path part_of(const fs::path& path) { return path.string() + ".part"; }

void check_address(const std::string& address) {
  const bool web = address.starts_with("https://") || address.starts_with("http://");
  const bool clean = std::ranges::none_of(address, [](unsigned char each) { return each <= ' ' || each == 127; });
  if (!web || !clean) throw UserError(fmt::format("expected an http or https address, found '{}'", address));
}

bool download(const Wanted& wanted, const Patience& patience, const Watch& watch) {
  PSCTL_CHECK(!wanted.addresses.empty() && patience.tries > 0 && wanted.most_bytes >= wanted.bytes);
  set_up_library();
  std::vector<Source> sources;
  for (const std::string& address : wanted.addresses) {
    check_address(address);
    sources.push_back({address});
  }
  const auto say = [&](const std::string& text) {
    if (watch.say) watch.say(text);
  };
  PartFile part(wanted.path);
  if (wanted.bytes > 0 ? part.size() > wanted.bytes : part.size() > wanted.most_bytes) part.begin_anew({});
  milliseconds pause = patience.first_pause;
  for (std::size_t round = 1; round <= patience.tries; ++round) {
    milliseconds asked{};
    for (Source& source : sources) {
      if (source.hopeless) continue;
      if (watch.stopped()) return false;
      const bool continues = part.size() > 0;
      Verdict verdict{.end = End::kWhole};
      if (wanted.bytes == 0 || part.size() < wanted.bytes) {
        verdict = Attempt(wanted, source.address, patience, watch, part).run();
      }
      if (verdict.end == End::kInterrupted) return false;
      if (verdict.end == End::kWhole) {
        const std::string found = wanted.sha256.empty() ? "" : part.sha256();
        if (found == wanted.sha256) {
          part.take_name();
          return true;
        }
        part.begin_anew({});
        // What was continued may have been of two versions; what came in one piece is wrong.
        verdict = {.end = continues ? End::kAgain : End::kHopeless,
                   .why = fmt::format("sent other bytes: expected SHA-256 {}, found {}", wanted.sha256, found)};
      }
      source.hopeless = verdict.end == End::kHopeless;
      source.why = verdict.why;
      asked = std::max(asked, verdict.pause);
      say(fmt::format("{}: {}", source.address, source.why));
    }
    if (std::ranges::all_of(sources, &Source::hopeless) || round == patience.tries) break;
    pause = std::min(kMostPause, std::max(pause, asked));
    say(fmt::format("trying again in {:.1f} s, try {} of {}", std::chrono::duration<double>(pause).count(), round + 1,
                    patience.tries));
    if (!sleep(pause, watch)) return false;
    pause *= 2;
  }
  std::vector<std::string> reasons;
  for (const Source& source : sources) reasons.push_back(fmt::format("{}: {}", source.address, source.why));
  throw WorldError(
      fmt::format("{} cannot be fetched: {}{}", wanted.path.filename().string(), fmt::join(reasons, "; "),
                  part.size() > 0 ? fmt::format("; {} bytes are kept, to be continued", part.size()) : ""));
}

}  // namespace psctl::fetch
