// psctl verify as a user sees it.
#include "app.h"

namespace psctl::test {
namespace {

struct Told {
  int code = -1;
  std::string out, error;
};

Told tell(const App& app, const std::vector<std::string>& arguments) {
  Process process(app.folder(), arguments);
  const int code = process.wait(Seconds(120));
  return {code, process.out(), process.error()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(verify_tells_a_row_for_each_strategy_and_check) {
  const App app;
  const Told told = tell(app, {"verify", "--quick", "--cases", "2"});
  BOOST_TEST(told.code == 0, told.out << told.error);
  for (const char* name : {"bsp ", "asp ", "ssp ", "dssp ", "a2s ", "bap ", "wbsp ", "elastic_bsp ", "pcp ", "psp "}) {
    BOOST_TEST(contains(told.out, std::string("\n") + name), name);
  }
  BOOST_TEST(contains(told.out, "every order"));
  BOOST_TEST(contains(told.out, "random clusters"));
  BOOST_TEST(contains(told.out, "max-plus of SSP"));
  BOOST_TEST(contains(told.out, "seed 1: all rules hold"));
  BOOST_TEST(told.error == "");
}

BOOST_AUTO_TEST_CASE(verify_of_one_strategy_tells_its_settings_and_rules) {
  const App app;
  const Told told = tell(app, {"verify", "ssp", "--quick", "--cases", "2", "--seed", "7", "--rules"});
  BOOST_TEST(told.code == 0, told.out << told.error);
  BOOST_TEST(contains(told.out, "staleness=1 apply=on_release"));
  BOOST_TEST(contains(told.out, "Each push is used exactly once"));
  BOOST_TEST(contains(told.out, "seed 7: all rules hold"));
  BOOST_TEST(!contains(told.out, "\nbsp "));
}

BOOST_AUTO_TEST_CASE(verify_of_a_name_that_there_is_not_is_refused) {
  const App app;
  const Told told = tell(app, {"verify", "sssp"});
  BOOST_TEST(told.code == 2);
  BOOST_TEST(told.error ==
             "psctl: error: there is no strategy sssp (did you mean ssp?); psctl strategies lists them\n");
  BOOST_TEST(told.out == "");
}

BOOST_AUTO_TEST_CASE(verify_tells_how_it_is_used) {
  const App app;
  const Told told = tell(app, {"verify", "--help"});
  BOOST_TEST(told.code == 0);
  BOOST_TEST(contains(told.out, "psctl verify --quick"));
}

}  // namespace psctl::test
