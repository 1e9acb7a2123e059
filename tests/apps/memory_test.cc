// A data set that no process holds in memory of its own.
#include "app.h"

namespace psctl::test {
namespace {

constexpr std::uint64_t kSetBytes = 25'000ULL * 2'000 * 4;

// The memory of a process that no file stands behind, in bytes; 0 when it has ended.
std::uint64_t own_memory(pid_t process) {
  std::istringstream status(read_of_process(process, "status"));
  std::uint64_t bytes = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) bytes = std::stoull(line.substr(line.find(':') + 1)) * 1024;
  }
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_CASE(no_process_holds_the_set_and_both_worlds_train_to_the_same_model) {
  const App app;
  const std::string set = app.folder() / "large.psctl";
  Process synth(app.folder(), {"data", "synth", "blobs", "-o", set, "--samples", "25000", "--test", "500", "--features",
                               "2000", "--quiet"});
  BOOST_TEST_REQUIRE(synth.wait(Seconds(200)) == 0, synth.error());
  BOOST_TEST(std::filesystem::file_size(set) > kSetBytes);
  // An epoch and a half: every sample is touched, and most once more.
  const auto arguments = [&](const std::string& clock, const std::string& out) {
    auto all = app.train_arguments({"clock=" + clock, "data.source=" + set, "data.batch_size=50", "cluster.workers=2",
                                    "cluster.compute_ms=[5, 6]", "model.hidden=[64]", "stop={epochs: 1.5}"});
    all[4] = out;
    return all;
  };
  const auto digest_in = [](const std::string& out) {
    const auto run = *std::filesystem::directory_iterator(out);
    return App::digest(run.path());
  };
  std::string expected;
  for (const std::string clock : {"virtual", "real"}) {
    const std::string out = app.folder() / clock;
    std::map<pid_t, std::uint64_t> most;
    Process psctl(app.folder(), arguments(clock, out));
    const auto look = [&] {
      for (const pid_t process : processes_with({"psctl", app.folder().path()})) {
        if (process != ::getpid()) most[process] = std::max(most[process], own_memory(process));
      }
      return psctl.ended();
    };
    BOOST_TEST_REQUIRE(eventually(Seconds(200), look), clock);
    BOOST_TEST_REQUIRE(psctl.wait() == 0, psctl.error());
    if (expected.empty()) expected = digest_in(out);
    BOOST_TEST(digest_in(out) == expected, clock);
    BOOST_TEST(most.size() >= (clock == "real" ? 4U : 1U), most.size() << " processes were seen");
    for (const auto& [process, bytes] : most) {
      BOOST_TEST_MESSAGE(clock << ": a process had " << bytes / 1'000'000 << " MB of its own");
      BOOST_TEST(bytes < kSetBytes / 4);
    }
  }
}

}  // namespace psctl::test
