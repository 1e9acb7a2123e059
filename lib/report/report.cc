#include "report/report.h"

#include <array>
#include <map>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/sha256.h"
#include "report/assets.h"
#include "report/data.h"

namespace psctl::report {
namespace {

constexpr const char* kScripts[] = {"core.js",   "chart.js",    "model.js", "curves.js",  "bars.js",
                                    "matrix.js", "timeline.js", "table.js", "details.js", "page.js"};

std::string base64(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned triple = 0;
    for (std::size_t j = 0; j < 3; ++j)
      triple = triple << 8 | (i + j < bytes.size() ? std::to_integer<unsigned>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += i + j <= bytes.size() ? kDigits[triple >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else {
      result += c;
    }
  }
  return result;
}

// A script's numbers are doubles: longer whole numbers, such as seeds and digests, become texts.
void keep_digits(nlohmann::ordered_json& json) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 53;
  if (json.is_structured()) {
    for (auto& value : json) keep_digits(value);
  } else if (json.is_number_unsigned() ? json.get<std::uint64_t>() > std::uint64_t{kLargest}
                                       : json.is_number_integer() && json.get<std::int64_t>() < -kLargest) {
    json = json.dump();
  }
}

// JSON that may stand in a script element: with no '<' in it, nothing in it can end the element.
std::string embedded(nlohmann::ordered_json json) {
  keep_digits(json);
  const std::string text = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      result += "\\u003c";
    } else {
      result += c;
    }
  }
  return result;
}

// The template with each {{name}} replaced; what is put in is not looked at again.
std::string filled(std::string_view page, const std::map<std::string, std::string, std::less<>>& parts) {
  std::string result;
  for (;;) {
    const std::size_t begin = page.find("{{");
    result += page.substr(0, begin);
    if (begin == std::string_view::npos) return result;
    const std::size_t end = page.find("}}", begin);
    const auto part = parts.find(page.substr(begin + 2, end - begin - 2));
    PSCTL_CHECK(end != std::string_view::npos && part != parts.end(), "page.html asks for what there is not");
    result += part->second;
    page.remove_prefix(end + 2);
  }
}

}  // namespace

Page make_page(const Request& request) {
  Data data = collect(request);
  std::string script = "\"use strict\";\n(() => {\n";
  for (const char* name : kScripts) script += asset(name);
  script += "})();\n";
  return {
      .html = filled(
          asset("page.html"),
          {{"title", escaped(request.title)},
           // Nothing is loaded from anywhere, and no script runs but the page's own.
           {"policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-" + base64([&] {
                        Sha256 digest;
                        digest.add(std::as_bytes(std::span(script)));
                        return digest.finish_raw();
                      }()) +
                          "'"},
           {"style", std::string(asset("style.css"))},
           {"data", embedded(data.json)},
           {"script", script}}),
      .runs = data.json["runs"].size(),
      .problems = std::move(data.problems),
      .thinned = std::move(data.thinned)};
}

}  // namespace psctl::report
