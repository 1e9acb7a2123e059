// bench_import libsvm|csv FILE: the seconds that importing a file into memory takes. What writing the prepared file
// costs is not in it.
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "data/import.h"
#include "data/prepared.h"

namespace {

using namespace psctl;

// Keeps everything, in a copy of each block.
class KeepingSink final : public data::Sink {
 public:
  void begin(const data::Description&) override {}
  void begin_part(data::Part) override {}
  void add(const data::Rows& rows) override {
    floats_.emplace_back(rows.floats.begin(), rows.floats.end());
    entries_.emplace_back(rows.entries.begin(), rows.entries.end());
    row_entries_.emplace_back(rows.row_entries.begin(), rows.row_entries.end());
    labels_.emplace_back(rows.labels.begin(), rows.labels.end());
  }
  void end(const data::Summary&) override {}

 private:
  template <class Value>
  using Blocks = std::vector<std::vector<Value>>;
  Blocks<float> floats_;
  Blocks<data::Entry> entries_;
  Blocks<std::uint32_t> row_entries_, labels_;
};

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 3 && argument_count != 4) {
    fmt::print(stderr, "bench_import libsvm|csv FILE [PREPARED]\n");
    return 2;
  }
  const bool libsvm = std::string_view(arguments[1]) == "libsvm";
  const data::Importer& importer = libsvm ? data::kLibsvmImporter : data::kCsvImporter;
  const std::vector<data::Input> inputs{{.path = arguments[2], .part = data::Part::kTrain, .labels = {}}};
  try {
    const auto start = std::chrono::steady_clock::now();
    std::unique_ptr<data::Sink> sink = std::make_unique<KeepingSink>();
    if (argument_count == 4) sink = std::make_unique<data::PreparedWriter>(arguments[3], data::Missing::kRefuse);
    importer.run(inputs, {}, *sink);
    fmt::print("{:.6f}\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
