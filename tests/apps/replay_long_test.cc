// Replays of real runs in every strategy, with one and with two servers, with delays and with workers that come and go.
#include "replay.h"

namespace psctl::test {

BOOST_AUTO_TEST_CASE(real_runs_of_every_strategy_replay_equal_on_any_number_of_servers) {
  for (const sync::Entry& entry : sync::entries()) {
    for (const std::string servers : {"cluster.servers=1", "cluster.servers=2", "cluster.servers=3"}) {
      for (const Overrides& members : {Overrides{}, kMembers}) {
        BOOST_TEST_CONTEXT(entry.name << " " << servers << (members.empty() ? "" : ", workers that come and go")) {
          const App app;
          check_equal(
              app, app.train(Overrides{"stop={samples: 4800}", "strategy=" + entry.name, servers} + kDelays + members));
        }
      }
    }
  }
}

}  // namespace psctl::test
