// A data set that is larger than the memory that a process may have.
#include <sys/resource.h>

#include "app.h"

namespace psctl::test {
namespace {

// 320 MB of samples; no process may have more than half of that besides the mapped file. Two workers, their batches and
// a model of 2 MB need a tenth.
constexpr std::uint64_t kSetBytes = 40'000ULL * 2'000 * 4, kLimitBytes = kSetBytes / 2;

// The memory of a process that no file stands behind, in bytes; 0 when it has ended.
std::uint64_t own_memory(pid_t process) {
  std::istringstream status(read_file(fmt::format("/proc/{}/status", process)));
  std::uint64_t bytes = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) bytes = std::stoull(line.substr(line.find(':') + 1)) * 1024;
  }
  return bytes;
}

// While it lives, processes that are started may not have more memory of their own.
class MemoryLimit {
 public:
  explicit MemoryLimit(std::uint64_t bytes) {
    BOOST_REQUIRE(getrlimit(RLIMIT_DATA, &before_) == 0);
    const rlimit low{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    BOOST_REQUIRE(setrlimit(RLIMIT_DATA, &low) == 0);
  }
  ~MemoryLimit() { setrlimit(RLIMIT_DATA, &before_); }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_set_larger_than_the_memory_limit_trains_to_the_same_model) {
  const App app;
  const std::string set = app.folder() / "large.psctl";
  {
    const MemoryLimit limit(kLimitBytes);  // drawing it needs no more either
    Process synth(app.folder(), {"data", "synth", "blobs", "-o", set, "--samples", "40000", "--test", "500",
                                 "--features", "2000", "--quiet"});
    BOOST_TEST_REQUIRE(synth.wait(Seconds(200)) == 0, synth.error());
  }
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
  const std::string free = app.folder() / "free";
  Process unlimited(app.folder(), arguments("virtual", free));
  BOOST_TEST_REQUIRE(unlimited.wait(Seconds(200)) == 0, unlimited.error());
  const std::string expected = digest_in(free);
  for (const std::string clock : {"virtual", "real"}) {
    const std::string out = app.folder() / clock;
    std::map<pid_t, std::uint64_t> most;
    const MemoryLimit limit(kLimitBytes);
    Process psctl(app.folder(), arguments(clock, out));
    const auto look = [&] {
      for (const pid_t process : processes_with({"psctl", app.folder().path()})) {
        if (process != ::getpid()) most[process] = std::max(most[process], own_memory(process));
      }
      return psctl.ended();
    };
    BOOST_TEST_REQUIRE(eventually(Seconds(200), look), clock);
    BOOST_TEST_REQUIRE(psctl.wait() == 0, psctl.error());
    BOOST_TEST(digest_in(out) == expected, clock);
    BOOST_TEST(most.size() >= (clock == "real" ? 4U : 1U), most.size() << " processes were seen");
    for (const auto& [process, bytes] : most) {
      BOOST_TEST_MESSAGE(clock << ": a process had " << bytes / 1'000'000 << " MB of its own");
      BOOST_TEST(bytes < kLimitBytes / 2);
    }
  }
}

}  // namespace psctl::test
