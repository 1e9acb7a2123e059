// The strategy that lib/sync/README.md leads a reader through.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sstream>

#include "verify/verify.h"
#include "support/paths.h"

namespace psctl::sync {
Entry my_ssp_entry();  // in the page
}

using namespace psctl;
using namespace psctl::verify;

namespace {

// The page's strategy, held against the rules of `name`.
Subject own_strategy(const std::string& name, const char* bound_name, std::int64_t bound, std::int64_t used) {
  std::map<std::string, sync::ParameterValue, std::less<>> values = {{bound_name, bound}};
  if (name == "ssp") {
    values.emplace("apply", std::string("on_arrival"));
    values.emplace("update_scale", std::string("full"));
  }
  return {.name = name, .parameters = sync::Parameters(values), .make = [used](const sync::Setting& setting) {
            return sync::my_ssp_entry().make(sync::Parameters({{"bound", sync::ParameterValue(used)}}), setting);
          }};
}

std::string first_violation(const Subject& subject) {
  for (const Result& result : verify::verify(subject, {.seed = 1, .cases = 20, .quick = true})) {
    if (result.violation) return result.violation->rule + ": " + result.violation->seen;
  }
  return "";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(a_strategy_of_ones_own)

BOOST_AUTO_TEST_CASE(the_one_of_the_page_keeps_the_rules_of_every_strategy_and_those_of_ssp) {
  for (std::int64_t bound = 0; bound <= 3; ++bound) {
    BOOST_TEST(first_violation(own_strategy("my_ssp", "bound", bound, bound)) == "");
    BOOST_TEST(first_violation(own_strategy("ssp", "staleness", bound, bound)) == "");
  }
}

BOOST_AUTO_TEST_CASE(with_another_bound_than_it_says_it_is_caught) {
  BOOST_TEST(first_violation(own_strategy("ssp", "staleness", 1, 2)) != "");
  BOOST_TEST(first_violation(own_strategy("ssp", "staleness", 2, 1)) != "");
}

BOOST_AUTO_TEST_CASE(it_takes_no_more_than_sixty_lines) {
  std::ifstream page(psctl::test::source_path("lib/sync/README.md"));
  std::ostringstream text;
  text << page.rdbuf();
  const std::string whole = text.str();
  const auto begin = whole.find("```cpp\n") + 7;
  const std::string code = whole.substr(begin, whole.find("```", begin) - begin);
  const auto lines = std::ranges::count(code, '\n');
  BOOST_TEST(lines > 20);
  BOOST_TEST(lines <= 60);
}

BOOST_AUTO_TEST_SUITE_END()
