// psctl reproduce --quick: every preset, with hardly any training.
#include "apps/app.h"

namespace psctl::test {

BOOST_AUTO_TEST_SUITE(reproduce_quick)

BOOST_AUTO_TEST_CASE(the_quick_claims_come_out_as_arithmetic_has_them) {
  const TemporaryFolder folder;
  Process process(folder, {"reproduce", "--quick", "--out", folder / "results", "--quiet"});
  BOOST_TEST_REQUIRE(process.wait(Seconds(800)) == 0, process.error());
  std::map<std::string, std::string> verdicts;
  for (const auto& row : read_table(folder / "results/reproduce/claims.csv").rows)
    verdicts[row.at("claim")] = row.at("verdict");
  // Of these nothing but rules and arithmetic decides.
  for (const char* id :
       {"zipline-exact", "dssp-two-gpus-pace", "dssp-two-gpus-pace-ssp", "dssp-bounded", "bap-speed-transient-use",
        "bap-threshold-updates", "switch-share-time-6", "wbsp-share-overlap"}) {
    BOOST_TEST(verdicts.at(id) == "held", id << " is " << verdicts.at(id));
  }
  BOOST_TEST(verdicts.at("bap-speed-persistent-updates") == "not held");
  BOOST_TEST(verdicts.contains("a2s-accuracy"));  // whichever it is
  BOOST_TEST(std::filesystem::exists(folder / "results/reproduce/report.md"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace psctl::test
