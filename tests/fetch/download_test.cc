#include "fetch/download.h"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/sha256.h"
#include "fetch/http_server.h"
#include "support/folder.h"

using namespace psctl;
using namespace psctl::fetch;
using namespace psctl::test;
using std::chrono::milliseconds;

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNever = std::string::npos;

std::string digest(const std::string& text) { return sha256(std::as_bytes(std::span(text))); }

std::string some_text(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += std::to_string(i * i) + " ";
  return text.substr(0, size);
}

// A download of one file into a folder of its own.
struct Trial {
  TemporaryFolder folder;
  Wanted wanted;
  Patience patience{.tries = 3, .first_pause = milliseconds(1), .stall = std::chrono::seconds(1)};
  Watch watch;
  std::vector<std::string> said;

  explicit Trial(const std::vector<std::string>& addresses, const std::string& content = "") {
    wanted = {.addresses = addresses, .path = folder / "file", .most_bytes = 1 << 20, .sha256 = {}};
    if (!content.empty()) expect(content);
    watch.say = [this](const std::string& text) { said.push_back(text); };
  }
  void expect(const std::string& content) {
    wanted.bytes = wanted.most_bytes = content.size();
    wanted.sha256 = digest(content);
  }
  bool run() { return download(wanted, patience, watch); }
  // What it says when it fails.
  std::string failure() {
    try {
      run();
    } catch (const WorldError& error) {
      BOOST_TEST(!fs::exists(wanted.path));
      return error.what();
    }
    return "no failure";
  }
  std::string file() const { return read_file(wanted.path); }
  std::string part() const { return read_file(part_of(wanted.path)); }
  void check_only_file() const {
    for (const auto& entry : fs::directory_iterator(folder.path())) BOOST_TEST(entry.path() == wanted.path);
  }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(download_)

BOOST_AUTO_TEST_CASE(a_file_takes_its_name_when_it_is_whole) {
  const std::string content = some_text(300'000);
  const HttpServer server([&](const HttpRequest& request) { return serve(request, content); });
  Trial trial({server.address("a/file")}, content);
  std::uint64_t done = 0, total = 0;
  trial.watch.progress = [&](std::uint64_t now, std::uint64_t all) {
    BOOST_TEST(now > done);
    BOOST_TEST(!fs::exists(trial.wanted.path));
    done = now;
    total = all;
  };
  BOOST_TEST(trial.run());
  BOOST_TEST((trial.file() == content));
  BOOST_TEST(done == content.size());
  BOOST_TEST(total == content.size());
  trial.check_only_file();
  BOOST_TEST_REQUIRE(server.requests().size() == 1U);
  BOOST_TEST(server.requests().front().path == "a/file");
  BOOST_TEST(trial.said.empty());
}

BOOST_AUTO_TEST_CASE(an_empty_file_is_a_file) {
  const HttpServer server([&](const HttpRequest& request) { return serve(request, ""); });
  Trial trial({server.address()});
  BOOST_TEST(trial.run());
  BOOST_TEST(fs::exists(trial.wanted.path));
  trial.check_only_file();
}

BOOST_AUTO_TEST_CASE(a_download_is_continued_wherever_it_breaks_off) {
  const std::string content = some_text(40);
  for (const bool digest_is_known : {true, false}) {
    for (std::size_t cut = 0; cut < content.size(); ++cut) {
      bool first = true;
      const HttpServer server([&](const HttpRequest& request) {
        HttpAnswer answer = serve(request, content);
        if (std::exchange(first, false)) answer.cut_after = cut;
        return answer;
      });
      Trial trial({server.address()}, digest_is_known ? content : "");
      BOOST_TEST(trial.run());
      BOOST_TEST(trial.file() == content);
      trial.check_only_file();
      const auto requests = server.requests();
      BOOST_TEST_REQUIRE(requests.size() == 2U);
      BOOST_TEST(requests[1].header("range") == (cut == 0 ? "" : fmt::format("bytes={}-", cut)));
      BOOST_TEST(requests[1].header("if-range") == (cut == 0 ? "" : "\"v1\""));
    }
  }
}

BOOST_AUTO_TEST_CASE(an_interrupted_download_is_continued_by_the_next_call) {
  const std::string content = some_text(100'000);
  bool first = true;
  const HttpServer server([&](const HttpRequest& request) {
    HttpAnswer answer = serve(request, content);
    answer.stalls = first;
    answer.cut_after = std::exchange(first, false) ? 40'000 : kNever;
    return answer;
  });
  Trial trial({server.address()});
  std::atomic<bool> interrupted = false;
  trial.watch.interrupted = &interrupted;
  trial.watch.progress = [&](std::uint64_t done, std::uint64_t) { interrupted = done == 40'000; };
  BOOST_TEST(!trial.run());
  BOOST_TEST(trial.part().size() == 40'000U);
  BOOST_TEST(!fs::exists(trial.wanted.path));
  interrupted = false;
  BOOST_TEST(trial.run());
  BOOST_TEST((trial.file() == content));
  BOOST_TEST(server.requests()[1].header("range") == "bytes=40000-");
}

BOOST_AUTO_TEST_CASE(a_file_that_changed_meanwhile_is_begun_anew) {
  const std::string before = some_text(5000), after = std::string(200, '.') + some_text(4700);
  for (const bool heeds_if_range : {true, false}) {
    int asked = 0;
    const HttpServer server([&](const HttpRequest& request) {
      if (++asked == 1) {
        HttpAnswer answer = serve(request, before);
        answer.cut_after = 3000;
        return answer;
      }
      HttpRequest heard = request;
      if (!heeds_if_range) heard.headers.erase("if-range");
      return serve(heard, after, "\"v2\"");
    });
    Trial trial({server.address()});
    BOOST_TEST(trial.run());
    BOOST_TEST((trial.file() == after));
    BOOST_TEST(asked == (heeds_if_range ? 2 : 3));
  }
}

BOOST_AUTO_TEST_CASE(parts_of_two_versions_that_nobody_names_are_caught_by_the_digest) {
  const std::string before = some_text(5000), after = std::string(200, '.') + some_text(4800);
  int asked = 0;
  const HttpServer server([&](const HttpRequest& request) {
    HttpAnswer answer = serve(request, ++asked == 1 ? before : after);
    std::erase(answer.headers, "ETag: \"v1\"");
    if (asked == 1) answer.cut_after = 3000;
    return answer;
  });
  Trial trial({server.address()}, after);
  BOOST_TEST(trial.run());
  BOOST_TEST((trial.file() == after));
  BOOST_TEST(asked == 3);
  // Without a digest nothing is continued that cannot be told apart.
  asked = 0;
  Trial without({server.address()});
  BOOST_TEST(without.run());
  BOOST_TEST((without.file() == after));
  BOOST_TEST(server.requests().back().header("range") == "");
}

BOOST_AUTO_TEST_CASE(a_server_that_knows_no_ranges_is_read_from_the_beginning) {
  const std::string content = some_text(5000);
  bool first = true;
  const HttpServer server([&](const HttpRequest&) {
    HttpAnswer answer{.body = content, .headers = {"ETag: \"v1\""}};
    if (std::exchange(first, false)) answer.cut_after = 3000;
    return answer;
  });
  Trial trial({server.address()}, content);
  BOOST_TEST(trial.run());
  BOOST_TEST((trial.file() == content));
}

BOOST_AUTO_TEST_CASE(a_part_that_is_whole_already_is_not_asked_for_twice) {
  const std::string content = some_text(5000);
  const HttpServer server([&](const HttpRequest& request) { return serve(request, content); });
  Trial known({server.address()}, content);
  write_file(part_of(known.wanted.path), content);
  BOOST_TEST(known.run());
  BOOST_TEST(server.requests().empty());
  Trial unknown({server.address()});
  write_file(part_of(unknown.wanted.path), content);
  write_file(part_of(unknown.wanted.path).string() + ".tag", server.address() + "\n\"v1\"\n");
  BOOST_TEST(unknown.run());
  BOOST_TEST((unknown.file() == content));
  BOOST_TEST(server.requests().size() == 1U);
  // What stands in its place may be damaged, or too long.
  for (const std::string& wrong : {content.substr(1) + "x", content + "x"}) {
    Trial trial({server.address()}, content);
    write_file(part_of(trial.wanted.path), wrong);
    BOOST_TEST(trial.run());
    BOOST_TEST((trial.file() == content));
  }
}

BOOST_AUTO_TEST_CASE(more_bytes_than_stated_are_not_taken) {
  const std::string content = some_text(5000);
  const HttpServer honest([&](const HttpRequest& request) { return serve(request, content + "x"); });
  Trial trial({honest.address()}, content);
  BOOST_TEST(has(trial.failure(), "has a file of 5001 bytes, expected 5000"));
  BOOST_TEST(trial.part() == "");
  const HttpServer silent(
      [&](const HttpRequest&) { return HttpAnswer{.body = std::string(2'000'000, 'x'), .tells_length = false}; });
  Trial limited({silent.address()});
  BOOST_TEST(has(limited.failure(), "sends more than 1048576 bytes"));
  BOOST_TEST(limited.part() == "");
  BOOST_TEST(silent.requests().size() == 1U);
  // Lengths that nobody has, and that no number holds.
  std::string length = "9999999999999";
  const HttpServer liar(
      [&](const HttpRequest&) { return HttpAnswer{.body = content, .headers = {"Content-Length: " + length}}; });
  Trial huge({liar.address()}, content);
  BOOST_TEST(has(huge.failure(), "has a file of 9999999999999 bytes, expected 5000"));
  length = "999999999999999999999999";
  Trial judged({liar.address()}, content);
  BOOST_TEST(judged.run());
  BOOST_TEST((judged.file() == content));
}

BOOST_AUTO_TEST_CASE(fewer_bytes_than_stated_are_told_and_kept) {
  const std::string content = some_text(5000);
  const HttpServer promising([&](const HttpRequest& request) {
    HttpAnswer answer = serve(request, content);
    const std::size_t there = request.header("range").empty() ? 0 : 3000;
    answer.cut_after = 3000 - there;
    return answer;
  });
  Trial trial({promising.address()}, content);
  const std::string failure = trial.failure();
  BOOST_TEST(has(failure, "file cannot be fetched: " + promising.address() + ": broke off after 3000 bytes"), failure);
  BOOST_TEST(has(failure, "; 3000 bytes are kept, to be continued"), failure);
  BOOST_TEST(promising.requests().size() == 3U);
  BOOST_TEST(trial.part() == content.substr(0, 3000));
  // A length that is too small is not the file's.
  const HttpServer modest(
      [&](const HttpRequest&) { return HttpAnswer{.body = content, .headers = {"Content-Length: 100"}}; });
  Trial small({modest.address()}, content);
  BOOST_TEST(has(small.failure(), "has a file of 100 bytes, expected 5000"));
  const HttpServer mute([&](const HttpRequest&) { return HttpAnswer{.body = "too short", .tells_length = false}; });
  Trial shorter({mute.address()}, content);
  BOOST_TEST(has(shorter.failure(), "ended after 9 of 5000 bytes"));
}

BOOST_AUTO_TEST_CASE(damaged_bytes_are_told_and_another_mirror_is_asked) {
  const std::string content = some_text(5000);
  std::string damaged = content;
  damaged[4999] ^= 1;
  const HttpServer bad([&](const HttpRequest& request) { return serve(request, damaged); });
  const HttpServer good([&](const HttpRequest& request) { return serve(request, content); });
  Trial alone({bad.address()}, content);
  const std::string failure = alone.failure();
  BOOST_TEST(has(failure, fmt::format("expected SHA-256 {}, found {}", digest(content), digest(damaged))), failure);
  BOOST_TEST(alone.part() == "");
  BOOST_TEST(bad.requests().size() == 1U);
  Trial both({bad.address(), good.address()}, content);
  BOOST_TEST(both.run());
  BOOST_TEST((both.file() == content));
  BOOST_TEST_REQUIRE(both.said.size() == 1U);
  BOOST_TEST(both.said.front().starts_with(bad.address() + ": sent other bytes"));
}

BOOST_AUTO_TEST_CASE(a_part_of_one_mirror_is_continued_from_another_if_a_digest_will_tell) {
  const std::string content = some_text(5000);
  const HttpServer breaking([&](const HttpRequest& request) {
    HttpAnswer answer = serve(request, content);
    answer.cut_after = 2000;
    return answer;
  });
  const HttpServer good([&](const HttpRequest& request) { return serve(request, content, "\"other\""); });
  Trial known({breaking.address(), good.address()}, content);
  BOOST_TEST(known.run());
  BOOST_TEST((known.file() == content));
  BOOST_TEST(good.requests().back().header("range") == "bytes=2000-");
  Trial unknown({breaking.address(), good.address()});
  BOOST_TEST(unknown.run());
  BOOST_TEST((unknown.file() == content));
  BOOST_TEST(good.requests().back().header("range") == "");
}

BOOST_AUTO_TEST_CASE(redirects_are_followed_but_not_in_circles_nor_out_of_the_web) {
  const std::string content = some_text(5000);
  const HttpServer server([&](const HttpRequest& request) {
    if (request.path == "moved") return HttpAnswer{.status = 302, .headers = {"Location: /here"}};
    if (request.path == "circle") return HttpAnswer{.status = 302, .headers = {"Location: /circle"}};
    if (request.path == "passwd") return HttpAnswer{.status = 302, .headers = {"Location: file:///etc/passwd"}};
    return serve(request, content);
  });
  Trial moved({server.address("moved")}, content);
  write_file(part_of(moved.wanted.path), content.substr(0, 1000));
  BOOST_TEST(moved.run());
  BOOST_TEST((moved.file() == content));
  BOOST_TEST(server.requests().back().header("range") == "bytes=1000-");
  const std::size_t before = server.requests().size();
  Trial circle({server.address("circle")}, content);
  BOOST_TEST(has(circle.failure(), "redirects more than 5 times"));
  BOOST_TEST(server.requests().size() == before + 6);
  Trial passwd({server.address("passwd")});
  const std::string failure = passwd.failure();
  BOOST_TEST(has(failure, "file"), failure);
  BOOST_TEST(passwd.part() == "");
}

BOOST_AUTO_TEST_CASE(a_transfer_that_stalls_is_given_up_and_continued) {
  const std::string content = some_text(5000);
  bool first = true;
  const HttpServer server([&](const HttpRequest& request) {
    HttpAnswer answer = serve(request, content);
    answer.stalls = first;
    answer.cut_after = std::exchange(first, false) ? 2000 : kNever;
    return answer;
  });
  Trial trial({server.address()}, content);
  const auto begin = std::chrono::steady_clock::now();
  BOOST_TEST(trial.run());
  BOOST_TEST((trial.file() == content));
  BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(20)));
  BOOST_TEST_REQUIRE(trial.said.size() == 2U);
  BOOST_TEST(trial.said[0] == server.address() + ": sent no more than 0 bytes in 1 s");
  BOOST_TEST(has(trial.said[1], "trying again in 0.0 s, try 2 of 3"), trial.said[1]);
}

BOOST_AUTO_TEST_CASE(answers_that_may_pass_are_waited_out_and_others_are_not) {
  const std::string content = some_text(5000);
  for (const int status : {500, 503, 429}) {
    int asked = 0;
    const HttpServer server([&](const HttpRequest& request) {
      return ++asked < 3 ? HttpAnswer{.status = status, .body = "an error page"} : serve(request, content);
    });
    Trial trial({server.address()}, content);
    BOOST_TEST(trial.run());
    BOOST_TEST((trial.file() == content));
    BOOST_TEST(has(trial.said.front(), fmt::format(": answers {}", status)));
    asked = -10;
    Trial never({server.address()}, content);
    BOOST_TEST(has(never.failure(), fmt::format(": answers {}", status)));
    BOOST_TEST(asked == -7);
    BOOST_TEST(never.part() == "");
  }
  for (const int status : {404, 403, 204}) {
    const HttpServer server([&](const HttpRequest&) { return HttpAnswer{.status = status, .body = "an error page"}; });
    Trial trial({server.address()}, content);
    BOOST_TEST(has(trial.failure(), fmt::format(": answers {}", status)));
    BOOST_TEST(server.requests().size() == 1U);
    BOOST_TEST(trial.part() == "");
  }
}

BOOST_AUTO_TEST_CASE(a_server_says_how_long_to_wait) {
  const std::string content = some_text(100);
  int asked = 0;
  const HttpServer server([&](const HttpRequest& request) {
    return ++asked == 1 ? HttpAnswer{.status = 503, .headers = {"Retry-After: 1"}} : serve(request, content);
  });
  Trial trial({server.address()}, content);
  BOOST_TEST(trial.run());
  BOOST_TEST(has(trial.said[1], "trying again in 1.0 s"), trial.said[1]);
  // Nor does the wait outlast an interrupt.
  asked = 0;
  std::atomic<bool> interrupted = false;
  Trial stopped({server.address()}, content);
  stopped.watch.interrupted = &interrupted;
  stopped.watch.say = [&](const std::string&) { interrupted = true; };
  BOOST_TEST(!stopped.run());
  BOOST_TEST(asked == 1);
}

BOOST_AUTO_TEST_CASE(nobody_there_is_told) {
  std::string address;
  {
    const HttpServer gone([](const HttpRequest&) { return HttpAnswer{}; });
    address = gone.address();
  }
  Trial trial({address});
  BOOST_TEST(has(trial.failure(), "file cannot be fetched: " + address + ": "));
}

BOOST_AUTO_TEST_CASE(only_the_web_is_asked) {
  for (const char* address : {"file:///etc/passwd", "ftp://host/file", "/etc/passwd", "http//host", "",
                              "http://host/a b", "http://host/\r\nX: y"}) {
    Trial trial({address});
    BOOST_CHECK_THROW(trial.run(), UserError);
    BOOST_TEST(!fs::exists(trial.wanted.path));
  }
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_told_and_what_was_written_is_continued) {
  const std::string content = some_text(200'000);
  const HttpServer server([&](const HttpRequest& request) { return serve(request, content); });
  Trial trial({server.address()}, content);
  rlimit limit{};
  BOOST_TEST_REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  const rlimit small{.rlim_cur = 100'000, .rlim_max = limit.rlim_max};
  const auto before = ::signal(SIGXFSZ, SIG_IGN);
  BOOST_TEST_REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string failure = trial.failure();
  BOOST_TEST_REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  ::signal(SIGXFSZ, before);
  BOOST_TEST(has(failure, part_of(trial.wanted.path).string() + ": cannot be written: File too large"), failure);
  BOOST_TEST(server.requests().size() == 1U);
  BOOST_TEST(trial.part().size() == 100'000U);
  BOOST_TEST(trial.run());
  BOOST_TEST((trial.file() == content));
  BOOST_TEST(server.requests().back().header("range") == "bytes=100000-");
}

BOOST_AUTO_TEST_CASE(what_stands_in_the_place_of_the_part_is_left_alone) {
  const HttpServer server([&](const HttpRequest& request) { return serve(request, "content"); });
  const auto refused = [&](const Trial& trial) {
    BOOST_CHECK_THROW(download(trial.wanted, trial.patience, trial.watch), UserError);
    BOOST_TEST(server.requests().empty());
  };
  const Trial pipe({server.address()});
  BOOST_TEST_REQUIRE(::mkfifo(part_of(pipe.wanted.path).c_str(), 0600) == 0);
  refused(pipe);
  const Trial folder({server.address()});
  fs::create_directory(part_of(folder.wanted.path));
  refused(folder);
  const Trial link({server.address()});
  write_file(link.folder / "precious", "precious");
  fs::create_symlink(link.folder / "precious", part_of(link.wanted.path));
  refused(link);
  BOOST_TEST(read_file(link.folder / "precious") == "precious");
}

BOOST_AUTO_TEST_SUITE_END()
