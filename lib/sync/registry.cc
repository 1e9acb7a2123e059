#include "sync/registry.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/error.h"

namespace psctl::sync {

// Each is defined in the strategy's own file.
Entry bsp_entry();
Entry asp_entry();
Entry ssp_entry();
Entry backup_entry();
Entry bap_entry();
Entry a2s_entry();
Entry dssp_entry();
Entry elastic_bsp_entry();
Entry local_sgd_entry();
Entry psp_entry();
Entry sync_switch_entry();
Entry wbsp_entry();
Entry pcp_entry();

std::span<const Entry> entries() {
  static const std::array all = {bsp_entry(),       asp_entry(),  ssp_entry(), dssp_entry(),        psp_entry(),
                                 backup_entry(),    bap_entry(),  a2s_entry(), sync_switch_entry(), elastic_bsp_entry(),
                                 local_sgd_entry(), wbsp_entry(), pcp_entry()};
  return all;
}

const Entry* find(std::string_view name) {
  const auto all = entries();
  const auto found = std::ranges::find(all, name, &Entry::name);
  return found == all.end() ? nullptr : &*found;
}

std::unique_ptr<Strategy> make(const StrategyConfig& config, const Setting& setting) {
  const Entry* entry = find(config.name);
  PSCTL_CHECK(entry, "strategy " + config.name);
  return entry->make(config.parameters, setting);
}

std::string label(const StrategyConfig& config) {
  const Entry* entry = find(config.name);
  PSCTL_CHECK(entry, "strategy " + config.name);
  std::string told;
  for (const Parameter& parameter : entry->parameters) {
    const auto& values = config.parameters.values();
    const auto value = values.find(parameter.name);
    if (value == values.end() || value->second == parameter.default_value) continue;
    if (!told.empty()) told += ", ";
    told += parameter.name + "=" + std::visit([](const auto& v) { return fmt::format("{}", v); }, value->second);
  }
  return told.empty() ? config.name : config.name + "(" + told + ")";
}

Parameters defaults(const Entry& entry) {
  std::map<std::string, ParameterValue, std::less<>> values;
  for (const Parameter& parameter : entry.parameters) {
    if (parameter.default_value) values.emplace(parameter.name, *parameter.default_value);
  }
  return Parameters(std::move(values));
}

bool has_effect(const Entry& entry, const Parameter& parameter, const Parameters& values) {
  if (!parameter.replaced_by.empty() && values.has(parameter.replaced_by)) return false;
  if (parameter.needs.empty()) return true;
  const auto needed = std::ranges::find(entry.parameters, parameter.needs, &Parameter::name);
  PSCTL_CHECK(needed != entry.parameters.end() && needed->default_value, parameter.needs);
  return values.values().at(parameter.needs) != *needed->default_value;
}

template <class Type>
const Type& Parameters::get(std::string_view name) const {
  const auto found = values_.find(name);
  PSCTL_CHECK(found != values_.end(), "parameter " + std::string(name));
  const Type* value = std::get_if<Type>(&found->second);
  PSCTL_CHECK(value, "type of parameter " + std::string(name));
  return *value;
}
template const bool& Parameters::get<bool>(std::string_view) const;
template const std::int64_t& Parameters::get<std::int64_t>(std::string_view) const;
template const double& Parameters::get<double>(std::string_view) const;
template const std::string& Parameters::get<std::string>(std::string_view) const;

Parameter update_scale_parameter(const char* default_word) {
  return {
      .name = "update_scale",
      .default_value = std::string(default_word),
      .choices = {"full", "mean"},
      .meaning = "learning rate of an update made of one push: in full, or divided by the number of workers present",
      .origin = Origin::kOurs};
}

UpdateScale update_scale(const Parameters& parameters) {
  return parameters.word("update_scale") == "mean" ? UpdateScale::kMean : UpdateScale::kFull;
}

double rate_of_one_push(UpdateScale scale, const Cluster& cluster) {
  if (scale == UpdateScale::kFull) return 1;
  return 1.0 / static_cast<double>(std::max<std::size_t>(1, cluster.present()));
}

}  // namespace psctl::sync
