#include "config/json.h"

#include <nlohmann/json.hpp>

namespace psctl::config {

nlohmann::ordered_json parse_json(std::string_view text) {
  using Json = nlohmann::ordered_json;
  bool too_deep = false;
  const auto check = [&](int depth, Json::parse_event_t, const Json&) {
    too_deep = too_deep || depth > kDeepestJson;
    return !too_deep;  // what is not kept is not built
  };
  Json json = Json::parse(text, check, false);
  return too_deep ? Json(Json::value_t::discarded) : json;
}

nlohmann::ordered_json as_json(const Node& node) {
  using Json = nlohmann::ordered_json;
  if (node.kind == Node::Kind::kList) {
    Json list = Json::array();
    for (const Node& item : node.items) list.push_back(as_json(item));
    return list;
  }
  if (node.kind == Node::Kind::kMap) {
    Json map = Json::object();
    for (const Entry& entry : node.entries) map[entry.key] = as_json(entry.value);
    return map;
  }
  if (node.kind == Node::Kind::kNull) return nullptr;
  if (!node.plain) return node.text;
  const Json scalar = Json::parse(node.text, nullptr, false);  // a number or a flag
  return scalar.is_discarded() ? Json(node.text) : scalar;
}

}  // namespace psctl::config
