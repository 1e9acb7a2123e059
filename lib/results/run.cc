#include "results/run.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "config/json.h"

namespace psctl::results {

using Json = nlohmann::json;

// Takes the figures and the configuration as they pass, and skips the workers, who are most of a summary.
class SummaryReader final : public nlohmann::json_sax<Json> {
 public:
  explicit SummaryReader(Run& run) : run_(run) {}

  bool null() override { return add(Run::Kind::kNull, "null"); }
  bool boolean(bool value) override { return add(Run::Kind::kFlag, value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return add_whole(value); }
  bool number_unsigned(number_unsigned_t value) override { return add_whole(value); }
  bool number_float(number_float_t, const string_t& text) override { return add(Run::Kind::kNumber, text); }
  bool string(string_t& value) override {
    if (list_depth_ == 0) return add(Run::Kind::kText, value);
    if (skipping_) return true;
    return add_to_list(Json(value).dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override {
    if (list_depth_ > 0) return open('{');
    if (depth_ == 0 || (depth_ == 1 && key_ == "config")) {
      in_config_ = depth_++ == 1;
      return true;
    }
    return false;
  }
  bool end_object() override {
    if (list_depth_ > 0) return close('}');
    --depth_;
    in_config_ = false;
    whole_ = depth_ == 0;
    return true;
  }
  bool start_array(std::size_t) override {
    if (list_depth_ == 0 && depth_ == 0) return false;
    if (list_depth_ == 0 && depth_ == 1 && key_ == "workers") skipping_ = true;
    return open('[');
  }
  bool end_array() override { return close(']'); }
  bool key(string_t& value) override {
    if (list_depth_ > 0) {
      if (skipping_) return true;
      separate();
      list_ += Json(value).dump(-1, ' ', false, Json::error_handler_t::replace) + ": ";
      first_ = true;
      return true;
    }
    key_ = value;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    error_at_ = position;
    return false;
  }

  bool whole() const { return whole_; }
  std::size_t error_at() const { return error_at_; }

 private:
  template <class Whole>
  bool add_whole(Whole value) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    return add(Run::Kind::kNumber, {digits, static_cast<std::size_t>(end - digits)});
  }
  bool add(Run::Kind kind, std::string_view value) {
    if (list_depth_ > 0) return add_to_list(value);
    if (depth_ == 0) return false;
    const auto at = static_cast<std::uint32_t>(run_.text_.size());
    run_.text_.append(key_).append(value);
    const auto key_size = static_cast<std::uint32_t>(key_.size());
    (in_config_ ? run_.config_ : run_.summary_)
        .push_back({at, key_size, at + key_size, static_cast<std::uint32_t>(value.size()), kind});
    return true;
  }

  // A list is taken as text, as JSON on one line.
  bool add_to_list(std::string_view value) {
    if (skipping_) return true;
    separate();
    list_ += value;
    return true;
  }
  void separate() {
    if (!first_) list_ += ", ";
    first_ = false;
  }
  bool open(char bracket) {
    if (skipping_) return ++list_depth_ <= config::kDeepestJson;
    if (list_depth_ > 0) separate();
    if (++list_depth_ > config::kDeepestJson) return false;
    list_ += bracket;
    first_ = true;
    return true;
  }
  bool close(char bracket) {
    if (skipping_) {
      skipping_ = --list_depth_ > 0;
      return true;
    }
    list_ += bracket;
    first_ = false;
    if (--list_depth_ > 0) return true;
    const std::string list = std::move(list_);
    list_.clear();
    first_ = true;
    return add(Run::Kind::kList, list);
  }

  Run& run_;
  std::string key_, list_;
  int depth_ = 0, list_depth_ = 0;
  bool first_ = true;  // nothing to be separated from what comes next
  bool in_config_ = false, whole_ = false;
  bool skipping_ = false;  // within the workers
  std::size_t error_at_ = 0;
};

namespace {

constexpr std::size_t kLargest = std::size_t{1} << 30;  // of a summary: places in it are 32 bits

// "stragglers.0.delay_ms" with "stragglers" gives "0.delay_ms"; nothing if the key is not below it.
std::optional<std::string_view> below(std::string_view key, std::string_view section) {
  if (key.size() <= section.size() || !key.starts_with(section) || key[section.size()] != '.') return std::nullopt;
  return key.substr(section.size() + 1);
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

const char* name_of(Status status) {
  switch (status) {
    case Status::kDone:
      return "done";
    case Status::kInterrupted:
      return "interrupted";
    case Status::kFailed:
      return "failed";
    case Status::kUnfinished:
      return "unfinished";
  }
  return "";
}

Run::Run(std::string path, std::string_view summary) : path_(std::move(path)) {
  if (summary.size() > kLargest) throw UserError("summary.json is larger than 1 GiB");
  SummaryReader reader(*this);
  Json::sax_parse(summary, &reader);
  const std::size_t last = summary.find_last_not_of(" \t\r\n");
  if (!reader.whole() || last == std::string_view::npos || summary[last] != '}') {
    throw UserError(reader.error_at() > 0 ? fmt::format("summary.json is damaged at byte {}", reader.error_at())
                                          : "summary.json is not the summary of a run");
  }
  const auto status = text("status");
  for (const Status known : {Status::kDone, Status::kInterrupted, Status::kFailed}) {
    if (status == name_of(known)) {
      status_ = known;
      return;
    }
  }
  throw UserError(status ? fmt::format("summary.json has the unknown status '{}'", *status)
                         : "summary.json has no status");
}

Run Run::unfinished(std::string path, std::string_view known) {
  Run run(std::move(path));
  SummaryReader reader(run);
  if (!known.empty()) Json::sax_parse(known, &reader);
  return run;
}

const Run::Field* Run::find(std::span<const Field> fields, std::string_view key) const {
  const auto found = std::ranges::find_if(fields, [&](const Field& field) { return key_of(field) == key; });
  return found == fields.end() ? nullptr : &*found;
}

std::string Run::label() const {
  if (const auto label = text("strategy_label")) return std::string(*label);
  return std::string(text("strategy").value_or("-"));
}

std::optional<double> Run::number(std::string_view key) const {
  const Field* field = find(summary_, key);
  if (!field || field->kind != Kind::kNumber) return std::nullopt;
  double value = 0;
  const std::string_view text = value_of(*field);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool Run::flag(std::string_view key) const {
  const Field* field = find(summary_, key);
  return field && field->kind == Kind::kFlag && value_of(*field) == "true";
}

std::optional<std::string_view> Run::text(std::string_view key) const {
  const Field* field = find(summary_, key);
  if (!field || field->kind != Kind::kText) return std::nullopt;
  return value_of(*field);
}

std::optional<std::string> Run::config(std::string_view key) const {
  if (const Field* field = find(config_, key)) return std::string(value_of(*field));
  for (const Field& field : config_) {
    if (field.kind != Kind::kList) continue;
    auto path = below(key, key_of(field));
    if (!path) continue;
    Json node = Json::parse(value_of(field), nullptr, false);
    while (path) {
      const auto dot = path->find('.');
      const std::string part(path->substr(0, dot));
      path = dot == std::string_view::npos ? std::nullopt : std::optional(path->substr(dot + 1));
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
      const bool is_index = error == std::errc() && end == part.data() + part.size();
      if (node.is_array() && is_index && index < node.size()) {
        node = Json(node[index]);
      } else if (node.is_object() && node.contains(part)) {
        node = Json(node[part]);
      } else {
        return std::nullopt;
      }
    }
    return text_of(node);
  }
  return std::nullopt;
}

std::optional<std::string> Run::value(std::string_view key) const {
  const Field* field = find(summary_, key);
  if (!field) return config(key);
  if (field->kind == Kind::kNull) return std::nullopt;
  return std::string(value_of(*field));
}

bool Run::is_text(std::string_view key) const {
  const Field* field = find(summary_, key);
  if (!field) field = find(config_, key);
  return field && field->kind == Kind::kText;
}

std::vector<std::string_view> Run::keys() const {
  std::vector<std::string_view> keys;
  for (const Field& field : summary_) {
    if (field.kind != Kind::kList) keys.push_back(key_of(field));
  }
  return keys;
}

std::vector<std::string_view> Run::config_keys() const {
  std::vector<std::string_view> keys;
  for (const Field& field : config_) keys.push_back(key_of(field));
  return keys;
}

std::vector<std::string> labels(std::span<const Run> runs) {
  constexpr std::string_view kSection = "strategy.";
  using Values = std::map<std::string, std::string, std::less<>>;  // of one parameter, or of many
  const auto parameters_of = [&](const Run& run) {
    Values values;
    for (const std::string_view key : run.config_keys()) {
      if (key.starts_with(kSection) && key != "strategy.name") values.emplace(key, *run.config(key));
    }
    return values;
  };
  std::map<std::string, Values, std::less<>> first;                                // of each strategy
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> differs;  // parameters
  for (const Run& run : runs) {
    const std::string name(run.text("strategy").value_or(""));
    const Values values = parameters_of(run);
    const Values& before = first.emplace(name, values).first->second;
    if (before == values) continue;
    for (const auto& [key, value] : values) {
      const auto other = before.find(key);
      if (other == before.end() || other->second != value) differs[name].insert(key);
    }
    for (const auto& [key, value] : before) {
      if (!values.contains(key)) differs[name].insert(key);
    }
  }
  std::vector<std::string> labels;
  for (const Run& run : runs) {
    std::string label = run.label();
    const std::string name(run.text("strategy").value_or(""));
    const auto told_too = differs.find(name);
    if (told_too == differs.end()) {
      labels.push_back(std::move(label));
      continue;
    }
    std::string told;
    for (const std::string_view key : run.config_keys()) {
      if (!key.starts_with(kSection)) continue;
      const std::string parameter = fmt::format("{}=", key.substr(kSection.size()));
      const bool in_label =
          label.find("(" + parameter) != std::string::npos || label.find(", " + parameter) != std::string::npos;
      if (!in_label && !told_too->second.contains(key)) continue;
      told += (told.empty() ? "" : ", ") + parameter + *run.config(key);
    }
    labels.push_back(told.empty() ? name : fmt::format("{}({})", name, told));
  }
  return labels;
}

}  // namespace psctl::results
