// Rules of strategies that change between synchronous and asynchronous: a2s, sync_switch.
#include "verify/special.h"

namespace psctl::verify {

void add_switch_rules(const Subject&, const sync::Setting&, Rules&) {}

}  // namespace psctl::verify
