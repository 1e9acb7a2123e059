// psctl data synth: what it writes is what runs train on, and what cannot be written leaves nothing behind.
#include "app.h"
#include "support/paths.h"

namespace psctl::test {
namespace {

struct Told {
  int code = -1;
  std::string out, error;
};

Told tell(const App& app, const std::vector<std::string>& arguments, const char* binary = psctl::test::kBinary) {
  Process process(app.folder(), arguments, {}, binary);
  const int code = process.wait();
  return {code, process.out(), process.error()};
}

// Files whose names begin so.
std::size_t files(const App& app, const std::string& begin) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(app.folder().path())) {
    if (entry.path().filename().string().starts_with(begin)) ++count;
  }
  return count;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_run_on_blobs_comes_within_a_hundredth_of_the_best_accuracy) {
  const App app;
  const std::string file = app.folder() / "blobs.psctl";
  const Told made = tell(app, {"data", "synth", "blobs", "-o", file, "--classes", "4", "--distance", "3", "--samples",
                               "20000", "--test", "10000"});
  BOOST_TEST_REQUIRE(made.code == 0, made.error);
  BOOST_TEST(contains(made.out, "blobs: 4 classes, 20 features, normal noise of deviation 1, centres 3 apart, seed 1"),
             made.out);
  const auto number_after = [&](const std::string& text, const std::string& words) {
    BOOST_TEST_REQUIRE(contains(text, words), text);
    return std::stod(text.substr(text.find(words) + words.size()));
  };
  const double best = number_after(made.out, "best accuracy ");
  const double on_test = number_after(made.out, "of the 10000 test samples, ");
  const Told seen = tell(app, {"data", "inspect", file});
  BOOST_TEST(number_after(seen.out, "best accuracy ") == best);
  const std::string run = app.train({"data.source=" + file, "clock=virtual", "model={kind: logistic}",
                                     "data.batch_size=50", "optimizer.learning_rate=0.05", "stop={epochs: 8}"});
  const double accuracy = App::summary(run)["final_accuracy"].get<double>();
  BOOST_TEST(accuracy > best - 0.01);
  BOOST_TEST(accuracy > on_test - 0.01);
  BOOST_TEST(accuracy < on_test + 0.005);
}

BOOST_AUTO_TEST_CASE(the_same_command_writes_the_same_bytes) {
  const App app;
  for (const char* kind : {"blobs", "teacher", "sparse"}) {
    const std::string one = app.folder() / "one.psctl", other = app.folder() / "other.psctl";
    BOOST_TEST(tell(app, {"data", "synth", kind, "-o", one}).code == 0);
    BOOST_TEST(tell(app, {"data", "synth", kind, "-o", other}).code == 0);
    BOOST_TEST((read_file(one) == read_file(other)));
    const Told checked = tell(app, {"data", "inspect", one, "--check"});
    BOOST_TEST(checked.code == 0, checked.error);
    BOOST_TEST(contains(checked.out, "every block is what was written"));
  }
}

BOOST_AUTO_TEST_CASE(wrong_requests_are_refused_and_nothing_is_written) {
  const App app;
  const std::string file = app.folder() / "wrong.psctl";
  const auto refused = [&](const std::vector<std::string>& words, const std::string& message) {
    std::vector<std::string> arguments = {"data", "synth"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const Told told = tell(app, arguments);
    BOOST_TEST(told.code == 2);
    BOOST_TEST(told.error.starts_with("psctl: error: " + message), told.error);
    BOOST_TEST(files(app, "wrong.psctl") == 0);
  };
  refused({"-o", file}, "psctl data synth: say one KIND: blobs, teacher or sparse\n");
  refused({"blob", "-o", file}, "psctl data synth: there is no kind blob (did you mean blobs?); there are blobs, ");
  refused({"blobs", "-o", file, "--samples", "0"}, "--samples: expected a whole number from 1 to 4294967295, found 0");
  refused({"blobs", "-o", file, "--samples", "-5"}, "--samples: expected a whole number from 0 to 2^64, found '-5'");
  refused({"blobs", "-o", file, "--samples", "99999999999999999999"}, "--samples: expected a whole number");
  refused({"blobs", "-o", file, "--distance", "3x"}, "--distance: expected a number, found '3x'");
  refused({"sparse", "-o", file, "--classes", "3"},
          "--classes: sparse has no such option; its own are --entries, --exponent, --signal\n");
  refused({"blobs", "-o", file, "--samples", "4000000000", "--features", "4000000", "--classes", "2"},
          file + ": 4000002000 samples take about 64.0 PB, and ");
  refused({"blobs", "-o", app.folder().path()}, app.folder().path() + ": expected a file to write, found a folder");
  BOOST_TEST(tell(app, {app.folder() / "pipe"}, "/usr/bin/mkfifo").code == 0);
  refused({"blobs", "-o", app.folder() / "pipe"},
          (app.folder() / "pipe") + ": expected a file to write, found something");
  BOOST_TEST(std::filesystem::is_fifo(app.folder() / "pipe"));
  refused({"blobs", "-o", "/no/such/file"}, "/no/such/file: cannot be written: No such file or directory");
}

BOOST_AUTO_TEST_CASE(a_file_that_finds_no_room_leaves_nothing_behind) {
  const App app;
  const std::string file = app.folder() / "full.psctl";
  const Told told =
      tell(app,
           {"-c", fmt::format("trap '' XFSZ; ulimit -f 2048; exec {} data synth blobs -o {}", psctl::test::kBinary, file) +
                      " --samples 200000"},
           "/bin/bash");
  BOOST_TEST(told.code == 1);
  BOOST_TEST(told.error == "psctl: error: " + file + ": cannot be written: File too large\n");
  BOOST_TEST(files(app, "full.psctl") == 0);
}

BOOST_AUTO_TEST_CASE(an_interrupted_drawing_leaves_nothing_behind) {
  const App app;
  const std::string file = app.folder() / "cut.psctl";
  Process process(app.folder(), {"data", "synth", "blobs", "-o", file, "--samples", "40000000", "--features", "2"});
  BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] { return files(app, "cut.psctl") > 0; }));
  process.signal(SIGINT);
  BOOST_TEST(process.wait() == 130);
  BOOST_TEST(contains(process.error(), "psctl: error: interrupted: " + file + " was not written\n"), process.error());
  BOOST_TEST(files(app, "cut.psctl") == 0);
}

}  // namespace psctl::test
