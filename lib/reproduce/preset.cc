#include "reproduce/preset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/faults.h"
#include "stats/tests.h"

namespace psctl::reproduce {
namespace {

using config::Faults;
using config::Node;

constexpr const char* kSizes[] = {"quick", "default", "full"};
constexpr std::size_t kMost = 1'000'000;    // of a whole number
constexpr std::size_t kMostSeeds = 10'000;  // every one is a run

// Of summary.json, those that a claim can be about. The best accuracy is none of them: it is a maximum over looks at
// the test set.
const std::vector<std::string> kRunMeasures = {
    "time_s", "updates", "pushes", "samples", "epochs", "samples_per_s", "final_accuracy", "final_loss",
    "time_to_target_s", "compute_share", "data_share", "wait_share", "staleness_mean", "staleness_p50", "staleness_p90",
    "staleness_p99", "staleness_max", "samples_used", "samples_discarded", "samples_pending", "samples_lost",
    "samples_given_up", "bytes_pushed", "bytes_pulled", "staleness_samples",
    // Of several of its numbers, or of evals.csv:
    "updates_per_s", "updates_to_target", "time_to_plateau_s"};
constexpr const char* kOnlySetting = "as given";  // where a study has none
constexpr std::string_view kTimeToFinalOf = "time_to_final_of_";

// None where the text is no number, or none that is finite.
std::optional<double> number_in(const std::string& text) {
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  double value = 0;
  return stream >> value && stream.eof() && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// Reads the keys of one map and tells what nobody asked for.
class Map {
 public:
  Map(const Node& node, std::string path, Size size, Faults& faults)
      : node_(node), path_(std::move(path)), size_(size), faults_(faults) {
    if (node_.kind != Node::Kind::kMap) fault(node_, path_, "expected a map of keys");
  }
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;
  ~Map() {
    const std::vector<std::string> known(asked_.begin(), asked_.end());
    for (const config::Entry& entry : node_.entries) {
      if (asked_.contains(entry.key)) continue;
      const std::string near = nearest(entry.key, known);
      faults_.add(entry.place, at(entry.key),
                  fmt::format("{}: unknown key{}", at(entry.key),
                              near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
    }
  }

  bool has(const std::string& key) { return find(key) != nullptr; }
  // Null if it is not given. A map whose keys are sizes stands for what it says of this one, or of the next smaller.
  const Node* find(const std::string& key) {
    asked_.insert(key);
    const Node* found = node_.find(key);
    return found ? at_size(found) : nullptr;
  }
  const Node* needed(const std::string& key) {
    const Node* found = find(key);
    if (!found) fault(node_, at(key), "is missing");
    return found;
  }

  std::string text(const std::string& key, const std::string& otherwise) {
    const Node* found = find(key);
    return found ? text_of(*found, at(key)) : otherwise;
  }
  std::string text(const std::string& key) {
    const Node* found = needed(key);
    return found ? text_of(*found, at(key)) : std::string();
  }
  double number(const std::string& key, double otherwise) {
    const Node* found = find(key);
    return found ? number_of(*found, at(key)) : otherwise;
  }
  std::size_t whole(const std::string& key, std::size_t otherwise, std::size_t least, std::size_t most) {
    const Node* found = find(key);
    if (!found) return otherwise;
    const double value = number_of(*found, at(key));
    if (!(value >= static_cast<double>(least)) || value != std::floor(value) || value > static_cast<double>(most)) {
      fault(*found, at(key), fmt::format("expected a whole number from {} to {}", least, most));
      return otherwise;
    }
    return static_cast<std::size_t>(value);
  }
  bool flag(const std::string& key) {
    const Node* found = find(key);
    if (!found) return false;
    const std::string word = text_of(*found, at(key));
    if (word != "true" && word != "false") fault(*found, at(key), "expected true or false");
    return word == "true";
  }
  std::size_t choice(const std::string& key, const std::vector<std::string>& words, std::size_t otherwise) {
    const Node* found = find(key);
    if (!found) return otherwise;
    const std::string word = text_of(*found, at(key));
    const auto place = std::ranges::find(words, word);
    if (place == words.end()) {
      fault(*found, at(key), fmt::format("expected {}, found '{}'", enumerate(words, "or"), word));
      return otherwise;
    }
    return static_cast<std::size_t>(place - words.begin());
  }
  std::vector<std::string> words(const std::string& key) {
    std::vector<std::string> words;
    each(key, [&](const Node& item, const std::string& path) { words.push_back(text_of(item, path)); });
    return words;
  }
  std::vector<double> numbers(const std::string& key) {
    std::vector<double> numbers;
    each(key, [&](const Node& item, const std::string& path) { numbers.push_back(number_of(item, path)); });
    return numbers;
  }
  // Of a list, or of one element that stands alone.
  template <class Use>
  void each(const std::string& key, Use use) {
    const Node* found = find(key);
    if (!found) return;
    if (found->kind != Node::Kind::kList) return use(*found, at(key));
    for (std::size_t i = 0; i < found->items.size(); ++i) use(found->items[i], at(key) + "." + std::to_string(i));
  }
  template <class Use>
  void each_entry(const std::string& key, Use use) {
    const Node* found = find(key);
    if (!found) return;
    if (found->kind != Node::Kind::kMap) return fault(*found, at(key), "expected a map of keys");
    for (const config::Entry& entry : found->entries) {
      if (const Node* value = at_size(&entry.value)) use(entry.key, *value, at(key) + "." + entry.key);
    }
  }

  std::string at(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  void fault(const Node& node, const std::string& path, const std::string& message) {
    faults_.add(node.place, path, fmt::format("{}: {}", path, message));
  }
  std::string text_of(const Node& node, const std::string& path) {
    if (node.kind != Node::Kind::kScalar || node.text.empty()) {
      fault(node, path, "expected a text");
      return {};
    }
    std::string text = node.text;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  double number_of(const Node& node, const std::string& path) {
    const auto value = node.kind == Node::Kind::kScalar ? number_in(node.text) : std::nullopt;
    if (value) return *value;
    fault(node, path, "expected a number");
    return 0;
  }
  Size size() const { return size_; }
  Faults& faults() { return faults_; }

 private:
  const Node* at_size(const Node* node) const {
    if (node->kind != Node::Kind::kMap || node->entries.empty()) return node;
    for (const config::Entry& entry : node->entries) {
      if (std::ranges::find(kSizes, entry.key) == std::end(kSizes)) return node;
    }
    for (int size = static_cast<int>(size_); size >= 0; --size) {
      if (const Node* found = node->find(kSizes[size])) return found;
    }
    return nullptr;
  }

  const Node& node_;
  std::string path_;
  Size size_;
  Faults& faults_;
  std::set<std::string> asked_;
};

Changes changes_of(Map& map, const std::string& key) {
  Changes changes;
  map.each_entry(key, [&](const std::string& name, const Node& value, const std::string&) {
    changes.push_back(name + "=" + config::to_line(value));
  });
  return changes;
}

// `sizes: [default, full]`: whether this is one of them. What is not meant at this size is read at those that it is
// for.
bool meant_at(const Node& node, const std::string& path, Size size, Faults& faults) {
  const Node* sizes = node.find("sizes");
  if (!sizes) return true;
  bool meant = false;
  if (sizes->kind != Node::Kind::kList || sizes->items.empty())
    faults.add(sizes->place, path, fmt::format("{}.sizes: expected a list of sizes, such as [default, full]", path));
  for (const Node& item : sizes->items) {
    if (std::ranges::find(kSizes, item.text) == std::end(kSizes)) {
      faults.add(item.place, path, fmt::format("{}.sizes: expected some of quick, default and full", path));
    }
    meant = meant || item.text == word(size);
  }
  return meant;
}

std::vector<Drawn> drawn_of(Map& map) {
  std::vector<Drawn> all;
  map.each_entry("draw", [&](const std::string& key, const Node& range, const std::string& at) {
    Map of(range, at, map.size(), map.faults());
    Drawn drawn{.key = key, .low = of.number("from", 0), .high = of.number("to", 0)};
    if (!(drawn.low < drawn.high)) of.fault(range, at, "needs from and to, the first below the second");
    all.push_back(std::move(drawn));
  });
  return all;
}

void check_rates(Map& map, const Node& node, const std::vector<double>& rates) {
  const bool ascend = std::ranges::adjacent_find(rates, std::greater_equal()) == rates.end();
  if (rates.size() < 2 || !ascend || !(rates.front() > 0)) {
    map.fault(node, "rates", "expected two rates or more above 0 that ascend");
  }
}

void read_settings(Map& study_map, Study& study) {
  study_map.each_entry("settings", [&](const std::string& name, const Node& node, const std::string& path) {
    if (!meant_at(node, path, study_map.size(), study_map.faults())) return;
    Map map(node, path, study_map.size(), study_map.faults());
    map.find("sizes");
    Setting setting{.profile = name,
                    .says = map.text("says", ""),
                    .network_part = {},
                    .changes = changes_of(map, "change"),
                    .drawn = drawn_of(map)};
    study.settings.push_back(std::move(setting));
  });
  if (!study_map.has("settings"))
    study.settings.push_back({.profile = kOnlySetting, .says = {}, .network_part = {}, .changes = {}, .drawn = {}});
  if (const Node* settings = study_map.find("settings"); settings && settings->entries.empty())
    study_map.fault(*settings, study_map.at("settings"), "needs one setting at least");
  const Node* network = study_map.find("network");
  if (!network) return;
  Map map(*network, study_map.at("network"), study_map.size(), study_map.faults());
  const double step_ms = map.number("step_ms", 0);
  const double bytes =
      static_cast<double>(map.whole("bytes", 0, 1, kMost * 1000));  // of the model; none: a transfer is all latency
  const std::vector<double> parts = map.numbers("parts");
  if (!(step_ms > 0) || parts.empty()) map.fault(*network, study_map.at("network"), "needs step_ms above 0 and parts");
  if (std::ranges::any_of(parts, [](double part) { return part < 0; }))
    map.fault(*network, map.at("parts"), "a part is at least 0");
  if (std::set(parts.begin(), parts.end()).size() != parts.size())
    map.fault(*network, map.at("parts"), "a part stands there twice");
  std::vector<Setting> swept;
  for (const Setting& setting : study.settings) {
    for (double part : parts) {
      Setting at = setting;
      at.network_part = part;
      const double transfer_ms = part * step_ms / 2;
      if (bytes == 0) at.changes.push_back(fmt::format("cluster.network.latency_ms={}", transfer_ms));
      if (bytes > 0 && part > 0) {
        at.changes.push_back(fmt::format("cluster.network.bandwidth_mbps={}", bytes * 8 / 1e3 / transfer_ms));
      }
      swept.push_back(std::move(at));
    }
  }
  study.settings = std::move(swept);
}

void read_study(const std::string& name, const Node& node, const std::string& path, Preset& preset, Size size,
                Faults& faults) {
  if (!meant_at(node, path, size, faults)) return;
  Map map(node, path, size, faults);
  map.find("sizes");
  Study study;
  study.name = name;
  study.says = map.text("says");
  study.kind = static_cast<StudyKind>(map.choice("kind", {"runs", "planner_exact", "planner_speed"}, 0));
  study.rates = static_cast<Rates>(map.choice("rates", {"given", "search", "failing"}, 0));
  if (const Node* failing = map.find("failing")) {
    Map of(*failing, map.at("failing"), size, faults);
    study.failing = of.words("contenders");
    study.failing_below = of.number("below", 0);
  }
  study.seeds = map.whole("seeds", 5, stats::kLeastPairs, kMostSeeds);
  if (const Node* spread = map.find("spread")) {
    study.spread = map.number_of(*spread, map.at("spread"));
    if (!(*study.spread >= 0)) map.fault(*spread, map.at("spread"), "expected a number from 0 on");
  }
  study.changes = preset.effort;
  for (const char* key : {"change", "effort"})
    std::ranges::copy(changes_of(map, key), std::back_inserter(study.changes));
  study.grid = map.numbers("grid");
  if (map.has("grid")) check_rates(map, *map.find("grid"), study.grid);
  study.rates_from = map.text("rates_from", "");
  const auto source = std::ranges::find(preset.studies, study.rates_from, &Study::name);
  if (!study.rates_from.empty() &&
      (source == preset.studies.end() || source->rates != Rates::kSearch || study.rates != Rates::kSearch)) {
    map.fault(node, map.at("rates_from"),
              "expected an earlier study that is searched, at every size that this one is for");
  }
  read_settings(map, study);
  map.each_entry("contenders", [&](const std::string& contender, const Node& value, const std::string& at) {
    if (number_in(contender)) map.fault(value, at, "a contender whose name is a number would be read as one");
    // A text as it would be typed, without the quotes of YAML.
    const bool text = value.kind == Node::Kind::kScalar;
    study.contenders.push_back({.name = contender, .strategy = text ? value.text : config::to_line(value)});
  });
  if (study.contenders.empty()) map.fault(node, path + ".contenders", "is missing");
  for (const Contender& contender : study.contenders) {
    if (source != preset.studies.end() && !source->find(contender.name))
      map.fault(node, map.at("rates_from"), fmt::format("{} has no contender {}", source->name, contender.name));
  }
  for (const std::string& contender : study.failing) {
    if (!study.find(contender)) map.fault(node, path + ".failing", fmt::format("{} is no contender", contender));
  }
  if (study.rates == Rates::kFailing && (study.failing.empty() || !(study.failing_below > 0)))
    map.fault(node, path + ".failing", "needs contenders, and an accuracy above 0 that they end below");
  const auto without_effect = [&](const char* key, const char* where) {
    if (map.has(key)) map.fault(*map.find(key), map.at(key), fmt::format("has no effect {}; remove it", where));
  };
  if (study.rates != Rates::kFailing) without_effect("failing", "without rates: failing");
  if (study.rates == Rates::kGiven) without_effect("grid", "where rates are given");
  if (!study.rates_from.empty()) without_effect("grid", "with rates_from");
  if (study.kind != StudyKind::kRuns) {
    for (const char* key : {"rates", "network", "change", "effort"}) without_effect(key, "on planners");
  } else if (study.rates != Rates::kGiven && study.rates_from.empty() && preset.grid(study).empty()) {
    map.fault(node, path, "needs rates to try: `rates` of `search`, or a `grid`");
  }
  if (study.rates == Rates::kSearch && !study.find(preset.search.reference)) {
    map.fault(node, path, fmt::format("the reference of the search, {}, is no contender", preset.search.reference));
  }
  preset.studies.push_back(std::move(study));
}

Rival rival_of(Map& map, const Node& node, const std::string& path) {
  if (node.kind == Node::Kind::kMap) {
    Rival rival;
    for (const config::Entry& entry : node.entries) {
      const double weight = map.number_of(entry.value, path + "." + entry.key);
      if (!(weight > 0)) map.fault(entry.value, path + "." + entry.key, "expected a weight above 0");
      rival.parts.emplace_back(entry.key, weight);
      rival.name += fmt::format("{}{:g} {}", rival.name.empty() ? "" : " + ", weight, entry.key);
    }
    if (node.entries.empty()) map.fault(node, path, "names no contender");
    return rival;
  }
  const std::string name = map.text_of(node, path);
  const std::optional<double> number = number_in(name);
  if (number) return {.name = name, .parts = {}, .number = *number};
  return {.name = name, .parts = {{name, 1.0}}, .number = 0};
}

// The region and its words. Margins are in the units of the effect: a difference, or a part of the rival's number.
void read_criterion(Map& map, const Node& node, Claim& claim) {
  static const std::vector<std::string> kKinds = {"less", "more", "at_least", "at_most", "about", "between"};
  claim.scale = static_cast<Scale>(map.choice("scale", {"difference", "ratio"}, is_time(claim.measure) ? 1 : 0));
  const bool ratio = claim.scale == Scale::kRatio;
  map.needed("is");
  const std::size_t kind = map.choice("is", kKinds, 0);
  const double margin = map.number("margin", 0), factor = map.number("factor", 1);
  if (!(margin >= 0) || (ratio && margin >= 1))
    map.fault(node, map.at("margin"), "expected a number from 0 on, of a ratio below 1");
  if (!(factor > 0) || (!ratio && map.has("factor")))
    map.fault(node, map.at("factor"), "expected a number above 0, and a ratio");
  if (kind < 2 && map.has("margin"))
    map.fault(node, map.at("margin"), "has no effect with less and more; there is factor");
  if (kind == 5) {
    for (const char* key : {"margin", "factor"}) {
      if (map.has(key)) map.fault(node, map.at(key), "has no effect with between, which has low and high");
    }
  }
  const double centre = ratio ? std::log(factor) : 0;
  const double up = ratio ? std::log1p(margin) : margin, down = ratio ? std::log1p(-margin) : -margin;
  const std::string times = factor == 1 ? "" : fmt::format(" {:g} times", factor);
  const std::string than = factor == 1 ? "" : fmt::format(" than {:g} times", factor);
  const std::string within = margin == 0               ? ""
                             : ratio                   ? fmt::format(", within {:g} %", 100 * margin)
                             : is_share(claim.measure) ? fmt::format(", within {:g} points", 100 * margin)
                                                       : fmt::format(", within {:g}", margin);
  switch (kind) {
    case 0:
      claim.region.high = centre;
      claim.region.open = true;
      claim.criterion = "less" + than;
      break;
    case 1:
      claim.region.low = centre;
      claim.region.open = true;
      claim.criterion = "more" + than;
      break;
    case 2:
      claim.region.low = centre + down;
      claim.criterion = "at least" + times + within;
      break;
    case 3:
      claim.region.high = centre + up;
      claim.criterion = "at most" + times + within;
      break;
    case 4:
      claim.region.low = centre + down;
      claim.region.high = centre + up;
      claim.criterion = "about" + times + within;
      break;
    default: {
      const double low = map.number("low", 0), high = map.number("high", 0);
      if (!(low < high) || (ratio && !(low > 0)))
        map.fault(node, map.at("low"), "low is below high, and of a ratio above 0");
      claim.region.low = ratio ? std::log(low) : low;
      claim.region.high = ratio ? std::log(high) : high;
      claim.criterion = ratio ? fmt::format("{:g} to {:g} times", low, high) : fmt::format("{:g} to {:g}", low, high);
      break;
    }
  }
}

// Whether runs, or planners, of the study tell such a number.
bool tells(const Study& study, const std::string& measure) {
  if (study.kind != StudyKind::kRuns) return measure == planner_measure(study.kind);
  if (std::ranges::find(kRunMeasures, measure) != kRunMeasures.end()) return true;
  const auto reference = reference_of(measure);
  return reference && study.find(*reference);
}

// What is contradictory or would be passed over in what a claim compares.
void check_shape(Map& map, const Node& node, const std::string& path, const Claim& claim) {
  if (claim.order.empty() ? claim.subjects.empty() || claim.rivals.empty() : claim.order.size() < 2)
    map.fault(node, path, "needs `of` and `against`, or an `order` of two at least");
  const auto apart = [&](const char* one, std::initializer_list<const char*> others) {
    for (const char* other : others) {
      if (map.has(one) && map.has(other)) map.fault(node, map.at(other), fmt::format("has no effect with {}", one));
    }
  };
  apart("order", {"of", "against", "any", "grows"});
  apart("grows", {"settings", "where", "any"});
  if (map.has("grows") && claim.subjects.size() > 1) map.fault(node, map.at("of"), "expected one contender with grows");
  for (const Rival& rival : claim.rivals) {
    const bool itself =
        rival.parts.size() == 1 && std::ranges::find(claim.subjects, rival.parts[0].first) != claim.subjects.end();
    if (itself) map.fault(node, map.at("against"), fmt::format("{} is compared with itself", rival.name));
  }
  if (claim.where && (claim.where->contenders.empty() || !(claim.where->low < claim.where->high)))
    map.fault(node, map.at("where"), "needs contenders, and low below high");
}

// Names of a study's settings at every size; of one without, that of its only one.
using SettingNames = std::map<std::string, std::set<std::string>>;

void read_claim(const Node& node, const std::string& path, Preset& preset, const SettingNames& known_studies, Size size,
                Faults& faults) {
  Map map(node, path, size, faults);
  Claim claim;
  claim.id = map.text("id");
  map.find("sizes");
  claim.says = map.text("says");
  claim.known_from = map.text("known_from");
  claim.published = map.text("published", "");
  claim.expected = map.text("expected", "");
  claim.study = map.text("study");
  claim.measure = map.text("measure");
  claim.subjects = map.words("of");
  map.each("against",
           [&](const Node& rival, const std::string& at) { claim.rivals.push_back(rival_of(map, rival, at)); });
  claim.profiles = map.words("settings");
  claim.any_subject = map.flag("any");
  claim.order = map.words("order");
  std::vector<std::string> grown;
  if (const Node* grows = map.find("grows")) {
    Map of(*grows, map.at("grows"), size, faults);
    claim.grows_from = of.text("from");
    claim.grows_to = of.text("to");
    grown = {claim.grows_from, claim.grows_to};
  }
  if (const Node* where = map.find("where")) {
    Map of(*where, map.at("where"), size, faults);
    claim.where = Where{.contenders = of.words("contenders"), .low = of.number("low", 0), .high = of.number("high", 1)};
  }
  read_criterion(map, node, claim);
  if (const Node* effect = map.find("effect")) {
    claim.effect = map.number_of(*effect, map.at("effect"));
    if (claim.scale == Scale::kRatio && !(*claim.effect > 0))
      map.fault(*effect, map.at("effect"), "expected a ratio above 0");
  }

  if (!known_studies.contains(claim.study))
    return map.fault(node, map.at("study"), fmt::format("there is no study '{}'", claim.study));
  const auto study = std::ranges::find(preset.studies, claim.study, &Study::name);
  if (!meant_at(node, path, size, faults) || study == preset.studies.end()) {
    preset.left_out.push_back(claim.id);
    return;
  }
  const auto check = [&](const std::string& contender) {
    if (!study->find(contender)) map.fault(node, path, fmt::format("{} is no contender of {}", contender, study->name));
  };
  std::ranges::for_each(claim.subjects, check);
  std::ranges::for_each(claim.order, check);
  for (const Rival& rival : claim.rivals) {
    for (const auto& [contender, weight] : rival.parts) check(contender);
  }
  if (claim.where) std::ranges::for_each(claim.where->contenders, check);
  check_shape(map, node, path, claim);
  if (!tells(*study, claim.measure)) {
    const std::string near = nearest(claim.measure, kRunMeasures);
    map.fault(node, map.at("measure"),
              study->kind != StudyKind::kRuns
                  ? fmt::format("planners of {} tell {} alone", study->name, planner_measure(study->kind))
                  : fmt::format("runs of {} tell no {}{}", study->name, config::in_quotes(claim.measure),
                                near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
  }
  for (const auto* profiles : {&claim.profiles, &grown}) {
    for (const std::string& profile : *profiles) {
      if (!known_studies.at(claim.study).contains(profile))
        map.fault(node, path, fmt::format("{} is no setting of {}", config::in_quotes(profile), claim.study));
    }
  }
  const auto profile_there = [&](const std::string& profile) {
    return std::ranges::find(study->settings, profile, &Setting::profile) != study->settings.end();
  };
  std::erase_if(claim.profiles, [&](const std::string& profile) { return !profile_there(profile); });
  const bool none = map.has("settings") && claim.profiles.empty();
  const bool no_growth =
      !claim.grows_from.empty() && !(profile_there(claim.grows_from) && profile_there(claim.grows_to));
  if (none || no_growth || study->settings.empty()) {
    preset.left_out.push_back(claim.id);
    return;
  }
  preset.claims.push_back(std::move(claim));
}

void read_search(Map& map, Preset& preset, Size size, Faults& faults) {
  const Node* node = map.find("search");
  if (!node) return;
  Map of(*node, map.at("search"), size, faults);
  Search& search = preset.search;
  search.rates = of.numbers("rates");
  search.seeds = of.whole("seeds", search.seeds, 1, kMostSeeds);
  search.validation = of.whole("validation", search.validation, 1, kMost);
  search.widen = of.whole("widen", search.widen, 0, 10);
  search.reference = of.text("reference", search.reference);
  check_rates(of, *node, search.rates);
}

}  // namespace

const char* word(Size size) { return kSizes[static_cast<std::size_t>(size)]; }

std::string Setting::name() const {
  return network_part ? fmt::format("{}, network {:g} %", profile, 100 * *network_part) : profile;
}

const Contender* Study::find(std::string_view contender) const {
  const auto found = std::ranges::find(contenders, contender, &Contender::name);
  return found == contenders.end() ? nullptr : &*found;
}

const Study& Preset::study(std::string_view study_name) const {
  const auto found = std::ranges::find(studies, study_name, &Study::name);
  PSCTL_CHECK(found != studies.end());
  return *found;
}

bool is_time(std::string_view measure) {
  return measure.starts_with("time_") || measure.starts_with("updates_to_") || measure == "microseconds";
}

bool is_share(std::string_view measure) { return measure == "final_accuracy" || measure.ends_with("_share"); }

const char* planner_measure(StudyKind kind) { return kind == StudyKind::kPlannerExact ? "misses" : "microseconds"; }

std::optional<std::string> reference_of(std::string_view measure) {
  const std::size_t least = kTimeToFinalOf.size() + std::string_view("_s").size();
  if (measure.size() <= least || !measure.starts_with(kTimeToFinalOf) || !measure.ends_with("_s")) return std::nullopt;
  return std::string(measure.substr(kTimeToFinalOf.size(), measure.size() - least));
}

std::optional<Preset> only(const Preset& preset, std::string_view claim) {
  const auto found = std::ranges::find(preset.claims, claim, &Claim::id);
  if (found == preset.claims.end()) return std::nullopt;
  Preset one = preset;
  one.claims = {*found};
  one.left_out.clear();
  const std::string from = preset.study(found->study).rates_from;
  std::erase_if(one.studies, [&](const Study& study) { return study.name != found->study && study.name != from; });
  return one;
}

void merge(Preset& preset, const Preset& more) {
  for (const Study& study : more.studies) {
    if (std::ranges::find(preset.studies, study.name, &Study::name) == preset.studies.end())
      preset.studies.push_back(study);
  }
  for (const Claim& claim : more.claims) {
    if (std::ranges::find(preset.claims, claim.id, &Claim::id) == preset.claims.end()) preset.claims.push_back(claim);
  }
}

Preset read_preset(std::string_view text, const std::string& name, Size size) {
  Faults faults(name, {});
  Preset preset{.name = std::filesystem::path(name).stem(),
                .title = {},
                .source = {},
                .stated = {},
                .read = {},
                .base = {},
                .file = name,
                .effort = {},
                .search = {},
                .studies = {},
                .claims = {},
                .left_out = {}};
  const std::optional<Node> root = config::parse(text, 0, faults);
  if (root) {
    Map map(*root, "", size, faults);
    preset.title = map.text("title");
    preset.source = map.text("source");
    preset.stated = map.text("stated");
    preset.read = map.text("read");
    const Node* base = map.find("base");
    preset.base = config::to_text(base ? *base : Node::map());
    preset.effort = changes_of(map, "effort");
    read_search(map, preset, size, faults);
    SettingNames known;
    map.each_entry("studies", [&](const std::string& study, const Node& node, const std::string& path) {
      std::set<std::string>& names = known[study];
      if (const Node* settings = node.find("settings")) {
        for (const config::Entry& setting : settings->entries) names.insert(setting.key);
      } else {
        names.insert(kOnlySetting);
      }
      read_study(study, node, path, preset, size, faults);
    });
    std::set<std::string> ids;
    map.each("claims", [&](const Node& node, const std::string& path) {
      read_claim(node, path, preset, known, size, faults);
      const Node* id = node.find("id");
      if (id && !ids.insert(id->text).second)
        faults.add(id->place, path, fmt::format("{}: there are two claims {}", path, id->text));
    });
    if (ids.empty()) faults.add(root->place, "claims", "claims: is missing");
  }
  if (faults.count() > 0) throw config::ConfigError(faults.told());
  return preset;
}

Preset load_preset(const std::string& path, Size size) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) throw UserError(fmt::format("cannot read the preset {}", path));
  return read_preset(text.str(), path, size);
}

}  // namespace psctl::reproduce
