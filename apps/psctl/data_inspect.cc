#include "data_inspect.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "data/dataset.h"
#include "data/source.h"

namespace psctl::app {
namespace {

using Json = nlohmann::ordered_json;

using data::Part;
using data::PartFacts;

constexpr std::array kPartNames{"train", "validation", "test"};

const char* name_of(Part part) { return kPartNames[static_cast<std::size_t>(part)]; }

std::string shape_text(const data::Shape& shape) {
  if (shape.channels == 1 && shape.height == 1) return fmt::format("{}", shape.width);
  return fmt::format("{} x {} x {}", shape.channels, shape.height, shape.width);
}

// At most so many characters of UTF-8.
std::string printable(const std::string& text, std::size_t most = std::string::npos) {
  std::string shown;
  std::size_t characters = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80 && characters++ == most) break;
    shown += byte < ' ' || byte == 127 ? '?' : c;
  }
  return shown;
}

struct FeatureFacts {
  std::uint64_t features = 0, constant = 0, missing = 0;
};

// Nothing if no statistics were taken.
std::optional<FeatureFacts> feature_facts(const data::Prepared& prepared) {
  const auto statistics = prepared.part(Part::kTrain)->statistics;
  if (statistics.empty()) return std::nullopt;
  FeatureFacts facts{.features = statistics.size()};
  for (const data::FeatureStatistics& feature : statistics) {
    facts.missing += feature.missing;
    const bool same = feature.least == feature.most && !prepared.description().sparse;
    if (feature.present == 0 || same) ++facts.constant;
  }
  return facts;
}

}  // namespace

std::string class_name(const data::Prepared& prepared, std::size_t label, std::size_t most) {
  return prepared.class_names().empty() ? std::to_string(label) : printable(prepared.class_names()[label], most);
}

void print_facts(const data::Prepared& prepared) {
  const data::Description& description = prepared.description();
  const char* kind = description.sparse                           ? "sparse, 32-bit floats"
                     : description.values == data::Values::kBytes ? "dense, bytes"
                                                                  : "dense, 32-bit floats";
  fmt::print("{}\n  values a sample  {} ({})\n  classes          {}\n  made of          SHA-256 {}\n", prepared.name(),
             shape_text(description.shape), kind, prepared.classes(), data::hex(prepared.source()));
  for (const Part part : {Part::kTrain, Part::kValidation, Part::kTest}) {
    if (prepared.size(part) > 0) fmt::print("  {:<16} {} samples\n", name_of(part), prepared.size(part));
  }
  for (const std::string& note : prepared.notes()) fmt::print("  {:<16} {}\n", "note", printable(note));
}

void print_inspection(const data::Prepared& prepared, const data::Inspection& inspection) {
  if (const auto features = feature_facts(prepared)) {
    fmt::print("  missing          {} values, filled in\n", features->missing);
    fmt::print("  without content  {} of {} features never change in the training part\n", features->constant,
               features->features);
  }
  constexpr std::size_t kNameWidth = 34;
  const auto row = [&](const std::string& name, const std::function<std::string(const PartFacts&)>& cell) {
    // Names are of UTF-8: what is not a character of its own takes no room.
    const auto hidden = static_cast<std::size_t>(
        std::ranges::count_if(name, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }));
    fmt::print("  {:<{}}", name, kNameWidth + hidden);
    for (const PartFacts& part : inspection.parts) fmt::print("{:>12}", cell(part));
    fmt::print("\n");
  };
  fmt::print("\n");
  row("", [](const PartFacts& part) { return name_of(part.part); });
  row("least value", [](const PartFacts& part) { return fmt::format("{:.6g}", part.least); });
  row("largest value", [](const PartFacts& part) { return fmt::format("{:.6g}", part.most); });
  if (prepared.description().sparse) {
    row("entries a sample, fewest", [](const PartFacts& part) { return fmt::format("{}", part.fewest_entries); });
    row("entries a sample, mean", [](const PartFacts& part) {
      return fmt::format("{:.1f}", static_cast<double>(part.entries) / static_cast<double>(part.samples));
    });
    row("entries a sample, most", [](const PartFacts& part) { return fmt::format("{}", part.most_entries); });
  }
  const char* about = inspection.compared_one_in > 1 ? "about " : "";
  row("equal to an earlier sample",
      [&](const PartFacts& part) { return fmt::format("{}{}", about, part.equal_earlier); });
  row("equal to a training sample", [&](const PartFacts& part) {
    return part.part == Part::kTrain ? "-" : fmt::format("{}{}", about, part.equal_training);
  });
  row("equal to one with another label",
      [&](const PartFacts& part) { return fmt::format("{}{}", about, part.other_label); });
  if (inspection.compared_one_in > 1) {
    fmt::print("  (one of {} different samples was compared, drawn by its hash; the rest is estimated)\n",
               inspection.compared_one_in);
  }
  constexpr std::size_t kMostShown = 50;
  fmt::print("\n");
  row("class", [](const PartFacts& part) { return name_of(part.part); });
  for (std::size_t label = 0; label < std::min(prepared.classes(), kMostShown); ++label) {
    row(class_name(prepared, label, kNameWidth - 2),
        [&](const PartFacts& part) { return fmt::format("{}", part.class_counts[label]); });
  }
  if (prepared.classes() > kMostShown) {
    fmt::print("  and {} classes more; -o FILE.json has them all\n", prepared.classes() - kMostShown);
  }
}

std::string inspection_json(const data::Prepared& prepared, const data::Inspection& inspection) {
  const data::Description& description = prepared.description();
  const auto& [channels, height, width] = description.shape;
  Json json = {{"file", prepared.name()},
               {"shape", {channels, height, width}},
               {"values", description.values == data::Values::kBytes ? "bytes" : "floats"},
               {"sparse", description.sparse},
               {"classes", prepared.classes()},
               {"class_names", prepared.class_names()},
               {"source_sha256", data::hex(prepared.source())},
               {"notes", prepared.notes()},
               {"compared_one_in", inspection.compared_one_in}};
  if (const auto features = feature_facts(prepared)) {
    json["features_without_content"] = features->constant;
    json["missing_values"] = features->missing;
  } else {
    json["features_without_content"] = json["missing_values"] = nullptr;
  }
  for (const PartFacts& part : inspection.parts) {
    Json& facts = json["parts"][name_of(part.part)];
    facts = {{"samples", part.samples}, {"least", part.least}, {"largest", part.most}};
    if (description.sparse) {
      facts["entries"] = part.entries;
      facts["fewest_entries"] = part.fewest_entries;
      facts["most_entries"] = part.most_entries;
    }
    facts["equal_earlier"] = part.equal_earlier;
    if (part.part != Part::kTrain) facts["equal_training"] = part.equal_training;
    facts["other_label"] = part.other_label;
    facts["class_counts"] = part.class_counts;
  }
  // A name that is not UTF-8 must not end the program.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace psctl::app
