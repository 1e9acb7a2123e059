#include "run/launcher.h"

#include "base/error.h"

namespace psctl::run {

Report train_with_processes(const Request&, const std::string&) { throw WorldError("no real world yet"); }

}  // namespace psctl::run
