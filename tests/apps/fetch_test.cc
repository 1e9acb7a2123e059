// psctl data fetch: the real binary against a server on loopback.
#include "app.h"
#include "fetch/http_server.h"

namespace psctl::test {
namespace {

// A sparse set with the counts that are published of a9a; every sample has one feature, and says its class by it.
std::string a9a(std::size_t samples) {
  std::string text;
  for (std::size_t i = 0; i < samples; ++i) {
    const bool positive = i % 4 == 0;
    text += fmt::format("{} {}:1\n", positive ? "+1" : "-1", positive ? 1 : 2 + i % 122);
  }
  return text;
}

struct Told {
  int code = -1;
  std::string out, error;
};

class Fetching {
 public:
  Told tell(std::vector<std::string> arguments) {
    Process process(folder_, command(std::move(arguments)));
    const int code = process.wait();
    return {code, process.out(), process.error()};
  }
  static std::vector<std::string> command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"data", "fetch"});
    return arguments;
  }
  const TemporaryFolder& folder() const { return folder_; }
  std::string to() const { return folder_ / "sets"; }

 private:
  TemporaryFolder folder_;
};

HttpAnswer serve_a9a(const HttpRequest& request) {
  static const std::string kTrain = a9a(32'561), kTest = a9a(16'281);
  if (request.path == "sets/a9a") return serve(request, kTrain);
  if (request.path == "sets/a9a.t") return serve(request, kTest);
  return {.status = 404};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_fetched_set_is_there_by_its_name) {
  const HttpServer server(serve_a9a);
  Fetching fetching;
  const std::vector<std::string> order{"a9a", "--to", fetching.to(), "--from", server.address("sets")};
  const Told told = fetching.tell(order);
  BOOST_TEST_REQUIRE(told.code == 0, told.error);
  const std::string file = fetching.to() + "/a9a.psctl";
  BOOST_TEST(told.out.starts_with(file + "\n  samples      32561 for training, 16281 for testing\n"), told.out);
  BOOST_TEST(contains(told.out, "licence"));
  BOOST_TEST(contains(told.error, "no checksum is published; 32561 training and 16281 test samples"), told.error);
  const Told again = fetching.tell(order);
  BOOST_TEST(again.code == 0, again.error);
  BOOST_TEST(contains(again.out, file + ": is there already"), again.out);
  BOOST_TEST(server.requests().size() == 2U);

  const std::vector<std::string> environment{"PSCTL_DATA=" + fetching.to()};
  Process list(fetching.folder(), {"data", "list"}, environment);
  BOOST_TEST(list.wait() == 0);
  BOOST_TEST(contains(list.out(), file), list.out());
  BOOST_TEST(contains(list.out(), "psctl data fetch mnist"), list.out());
  const App app;
  Process fetched(app.folder(), app.train_arguments({"data.source=a9a", "model={kind: logistic}", "clock=virtual"}),
                  environment);
  BOOST_TEST(fetched.wait() == 0, fetched.error());
  Process train(app.folder(), app.train_arguments({"data.source=mnist", "clock=virtual"}), environment);
  BOOST_TEST(train.wait() == 2);
  BOOST_TEST(contains(train.error(), "mnist is not on this machine; to get it: psctl data fetch mnist"), train.error());
}

BOOST_AUTO_TEST_CASE(an_interrupt_leaves_what_the_next_fetch_continues) {
  bool first = true;
  const HttpServer server([&](const HttpRequest& request) {
    HttpAnswer answer = serve_a9a(request);
    if (std::exchange(first, false)) {
      answer.cut_after = 100'000;
      answer.stalls = true;
    }
    return answer;
  });
  Fetching fetching;
  const std::vector<std::string> order{"a9a", "--to", fetching.to(), "--from", server.address("sets")};
  Process process(fetching.folder(), Fetching::command(order));
  const std::string part = fetching.to() + "/a9a.fetching/a9a.part";
  BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] { return read_file(part).size() == 100'000; }));
  const Told second = fetching.tell(order);
  BOOST_TEST(second.code == 1);
  BOOST_TEST(contains(second.error, "another psctl data fetch is at work there"), second.error);
  process.signal(SIGINT);
  BOOST_TEST(process.wait(Seconds(10)) == 130);
  BOOST_TEST(contains(process.error(), "interrupted; what is there is kept"), process.error());
  BOOST_TEST(read_file(part).size() == 100'000U);
  const Told told = fetching.tell(order);
  BOOST_TEST(told.code == 0, told.error);
  BOOST_TEST(server.requests()[1].header("range") == "bytes=100000-");
  BOOST_TEST(!std::filesystem::exists(fetching.to() + "/a9a.fetching"));
}

BOOST_AUTO_TEST_CASE(progress_is_plain_lines_where_there_is_no_terminal) {
  const HttpServer server([](const HttpRequest& request) {
    HttpAnswer answer = serve_a9a(request);
    answer.stalls = request.header("range").empty();
    answer.cut_after = answer.stalls ? 100'000 : std::string::npos;
    return answer;
  });
  Fetching fetching;
  const Told told = fetching.tell({"a9a", "--to", fetching.to(), "--from", server.address("sets"), "--patience", "1"});
  BOOST_TEST(told.code == 0, told.error);
  BOOST_TEST(contains(told.error, "a9a, "), told.error);
  BOOST_TEST(contains(told.error, " %\n"), told.error);
  BOOST_TEST(!contains(told.error, "\r"));
  BOOST_TEST(!contains(told.error, "###"));
}

BOOST_AUTO_TEST_CASE(wrong_requests_of_a_fetch_are_refused_before_anything_is_asked_for) {
  const HttpServer server(serve_a9a);
  Fetching fetching;
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& message) {
    const Told told = fetching.tell(arguments);
    BOOST_TEST(told.code == 2);
    BOOST_TEST(contains(told.error, "psctl: error: " + message), told.error);
  };
  const std::string to = fetching.to();
  refused({}, "psctl data fetch: say which data set: mnist, fashion-mnist, cifar-10, a9a, rcv1 or covtype");
  refused({"cifar10"},
          "psctl data fetch: expected a known data set, mnist, fashion-mnist, cifar-10, a9a, rcv1 or "
          "covtype, found 'cifar10' (did you mean 'cifar-10'?)");
  refused({"a9a", "--to", to, "--from", "file:///etc"}, "expected an http or https address, found 'file:///etc'");
  refused({"a9a", "--tries", "0"}, "--tries: expected a whole number from 1 to 1000, found 0");
  refused({"a9a", "--to", ""}, "--to: expected a folder, found nothing");
  refused({"--list", "a9a"}, "psctl data fetch: --list goes without a name");
  BOOST_TEST(!std::filesystem::exists(to));
  BOOST_TEST(server.requests().empty());
  const Told absent = fetching.tell({"mnist", "--to", to, "--from", server.address("nothing/here/")});
  BOOST_TEST(absent.code == 1);
  BOOST_TEST(contains(absent.error, "train-images-idx3-ubyte.gz cannot be fetched: " +
                                        server.address("nothing/here/train-images-idx3-ubyte.gz") + ": answers 404"),
             absent.error);
  const Told help = fetching.tell({"--help"});
  BOOST_TEST(help.code == 0);
  BOOST_TEST(contains(help.out, "--from"));
}

}  // namespace psctl::test
