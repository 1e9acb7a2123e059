#include "verify/verify.h"

#include "verify/clusters.h"
#include "verify/orders.h"
#include "verify/references.h"
#include "verify/rule.h"

namespace psctl::verify {

std::vector<Result> verify(const Subject& subject, const Effort& effort) {
  std::vector<Result> results;
  results.push_back(every_order(subject, small_clusters(effort.quick)));
  results.push_back(random_clusters(subject, effort.seed, effort.cases));
  for (Result& result : check_references(subject, effort.seed, effort.cases)) results.push_back(std::move(result));
  return results;
}

std::vector<RuleText> rules_of(const Subject& subject) {
  sync::Setting setting = setting_of(steady_plan(1, 1));
  std::vector<RuleText> texts;
  for (const auto& rule : make_rules(subject, setting)) texts.push_back({rule->name(), rule->expected()});
  return texts;
}

}  // namespace psctl::verify
