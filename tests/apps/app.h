// Runs the real binary in a temporary folder with a small data set, and looks at what it says and leaves behind.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <signal.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "support/folder.h"
#include "support/paths.h"
#include "support/text.h"

namespace psctl::test {

using std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using Overrides = std::vector<std::string>;  // KEY=VALUE each

inline Overrides operator+(Overrides left, const Overrides& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// Looks again and again until it holds or the time is over.
inline bool eventually(Seconds limit, const std::function<bool()>& holds) {
  const auto end = steady_clock::now() + limit;
  while (!holds()) {
    if (steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

// A process with its output in files. Killed when it is let go.
class Process {
 public:
  Process(const TemporaryFolder& folder, const std::vector<std::string>& arguments,
          const std::vector<std::string>& environment = {}, const char* binary = psctl::test::kBinary) {
    static int count = 0;
    stem_ = folder / fmt::format("process-{}", ++count);
    std::vector<char*> argv{const_cast<char*>(binary)};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    process_ = ::fork();
    if (process_ == 0) {
      for (const std::string& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
      const int flags = O_WRONLY | O_CREAT | O_TRUNC;
      ::dup2(::open("/dev/null", O_RDONLY), 0);
      ::dup2(::open((stem_ + ".out").c_str(), flags, 0600), 1);
      ::dup2(::open((stem_ + ".err").c_str(), flags, 0600), 2);
      ::execv(binary, argv.data());
      ::_exit(127);
    }
  }
  ~Process() {
    if (code_) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t id() const { return process_; }
  void signal(int number) const { ::kill(process_, number); }
  bool ended() {
    int status = 0;
    if (!code_ && ::waitpid(process_, &status, WNOHANG) == process_) {
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return code_.has_value();
  }
  // The exit code, 128 + N for signal N; -1 if it has not ended in time.
  int wait(Seconds limit = Seconds(60)) {
    return eventually(limit, [this] { return ended(); }) ? *code_ : -1;
  }
  std::string out() const { return read_file(stem_ + ".out"); }
  std::string error() const { return read_file(stem_ + ".err"); }

 private:
  std::string stem_;
  pid_t process_ = -1;
  std::optional<int> code_;
};

struct Table {
  std::string header;
  std::vector<std::map<std::string, std::string>> rows;
  double number(std::size_t row, const std::string& column) const { return std::stod(rows.at(row).at(column)); }
};

inline std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> cells;
  std::istringstream stream(line + separator);
  for (std::string cell; std::getline(stream, cell, separator);) cells.push_back(cell);
  return cells;
}

// Checks that every line is whole: the last one ends, and all have as many cells as the header.
inline Table read_table(const std::string& path) {
  const std::string text = read_file(path);
  BOOST_TEST_REQUIRE((!text.empty() && text.back() == '\n'), path << " ends within a line, or is empty");
  std::istringstream stream(text);
  Table table;
  std::getline(stream, table.header);
  const std::vector<std::string> names = split(table.header, ',');
  for (std::string line; std::getline(stream, line);) {
    const std::vector<std::string> cells = split(line, ',');
    BOOST_TEST_REQUIRE(cells.size() >= names.size(), path << ": " << line);
    auto& row = table.rows.emplace_back();
    for (std::size_t i = 0; i < names.size(); ++i) row[names[i]] = cells[i];
  }
  return table;
}

// What a file of a process in /proc says; empty if the process has ended, be it between opening and reading.
inline std::string read_of_process(pid_t process, const std::string& name) {
  try {
    return read_file(fmt::format("/proc/{}/{}", process, name));
  } catch (const std::ios_base::failure&) {
    return {};
  }
}

// Processes, zombies aside, whose command line has all these words.
inline std::vector<pid_t> processes_with(const std::vector<std::string>& words) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string line = read_of_process(std::stoi(name), "cmdline");
    std::ranges::replace(line, '\0', ' ');
    if (std::ranges::all_of(words, [&](const std::string& word) { return contains(line, word); })) {
      found.push_back(std::stoi(name));
    }
  }
  return found;
}

// A folder with a data set of four classes, and the runs that were made in it.
class App {
 public:
  // Each seed draws another data set.
  explicit App(std::uint64_t seed = 1) {
    std::filesystem::create_directory(folder_ / "data");
    write_part("train", 600, seed);
    write_part("t10k", 200, 2);
    write_file(config(), fmt::format(R"(name: trial
seed: 3
model: {{kind: mlp, hidden: [16]}}
data: {{source: {}, batch_size: 16}}
optimizer: {{kind: sgd, learning_rate: 0.1}}
strategy: bsp
cluster: {{workers: 3, compute_ms: [5, 6, 9]}}
stop: {{updates: 20}}
evaluate: {{every_epochs: 1}}
)",
                                     folder_ / "data"));
  }

  const TemporaryFolder& folder() const { return folder_; }
  std::string config() const { return folder_ / "config.yaml"; }
  std::string out() const { return folder_ / "runs"; }

  std::vector<std::string> train_arguments(const std::vector<std::string>& overrides) const {
    std::vector<std::string> arguments = {"train", "--config", config(), "--out", out()};
    arguments.insert(arguments.end(), overrides.begin(), overrides.end());
    return arguments;
  }
  // A run that must go well; its folder.
  std::string train(const std::vector<std::string>& overrides = {}, Seconds limit = Seconds(60)) const {
    const std::vector<std::string> before = runs();
    Process process(folder_, train_arguments(overrides));
    const int code = process.wait(limit);
    BOOST_TEST_REQUIRE(code == 0, "exit code " << code << ": " << process.error());
    for (const std::string& run : runs()) {
      if (std::ranges::find(before, run) == before.end()) return run;
    }
    BOOST_FAIL("no folder was made");
    return {};
  }

  std::vector<std::string> runs() const {
    std::vector<std::string> names;
    if (!std::filesystem::exists(out())) return names;
    for (const auto& entry : std::filesystem::directory_iterator(out())) names.push_back(entry.path());
    std::ranges::sort(names);
    return names;
  }
  // The only run, as soon as its folder is there.
  std::string run() const {
    BOOST_TEST_REQUIRE(eventually(Seconds(20), [this] { return !runs().empty(); }), "no folder was made");
    BOOST_TEST_REQUIRE(runs().size() == 1U);
    return runs().front();
  }
  // Waits until the run's decision log says so.
  void await(const std::string& word) const {
    const std::string log = run() + "/decisions.csv";
    BOOST_TEST_REQUIRE(eventually(Seconds(20), [&] { return contains(read_file(log), word); }),
                       "no '" << word << "' in the decision log");
  }

  static nlohmann::json summary(const std::string& run) {
    const auto summary = nlohmann::json::parse(read_file(run + "/summary.json"), nullptr, false);
    BOOST_TEST_REQUIRE(summary.is_object(), run << "/summary.json is no JSON");
    return summary;
  }
  static std::string digest(const std::string& run) {
    const auto digest = summary(run)["model_digest"];
    BOOST_TEST_REQUIRE(digest.is_string());
    return digest;
  }

 private:
  void write_part(const std::string& part, std::uint32_t size, std::uint64_t seed) const {
    constexpr std::uint32_t kWidth = 8;
    std::string images = header({size, kWidth, kWidth}), labels = header({size});
    std::uint64_t state = seed;
    for (std::uint32_t i = 0; i < size; ++i) {
      const std::uint32_t label = i % 4;
      labels += static_cast<char>(label);
      for (std::uint32_t pixel = 0; pixel < kWidth * kWidth; ++pixel) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        images += static_cast<char>((state >> 57) + (pixel % 4 == label ? 60 : 0));
      }
    }
    write_file(folder_ / ("data/" + part + "-images-idx3-ubyte"), images);
    write_file(folder_ / ("data/" + part + "-labels-idx1-ubyte"), labels);
  }
  static std::string header(const std::vector<std::uint32_t>& dimensions) {
    std::string bytes{'\0', '\0', '\x08', static_cast<char>(dimensions.size())};
    for (const std::uint32_t dimension : dimensions) {
      for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(dimension >> shift);
    }
    return bytes;
  }

  TemporaryFolder folder_;
};

}  // namespace psctl::test
