// The whole matrix of ends: role x signal x phase, under four strategies.
#include "ending_cells.h"

namespace psctl::test {
namespace {

void check_all(const std::string& strategy) {
  for (const Role role : kRoles) {
    for (const int signal : kSignals) {
      for (const Phase phase : kPhases) check({role, signal, phase, strategy});
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_end_of_a_bsp_run_is_told_by_its_first_cause) { check_all("bsp"); }
BOOST_AUTO_TEST_CASE(every_end_of_an_asp_run_is_told_by_its_first_cause) { check_all("asp"); }
BOOST_AUTO_TEST_CASE(every_end_of_an_ssp_run_is_told_by_its_first_cause) { check_all("{name: ssp, staleness: 1}"); }
BOOST_AUTO_TEST_CASE(every_end_of_a_local_sgd_run_is_told_by_its_first_cause) {
  check_all("{name: local_sgd, period: 2}");
}

}  // namespace psctl::test
