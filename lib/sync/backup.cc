// Backup workers: rounds as in BSP that do not wait for the last few workers.
#include "sync/registry.h"
#include "sync/round.h"

namespace psctl::sync {
namespace {

class Backup final : public Strategy {
 public:
  explicit Backup(std::size_t backups) : backups_(backups) {}

  std::vector<Decision> decide(const Cluster& cluster, Instant) override {
    if (!cluster.pending().empty()) {
      // Only the newest can be late: the others came in the round that is still open.
      const auto& [id, push] = *cluster.pending().rbegin();
      if (push.base < cluster.version()) return {Discard{.push = id}, Release{.worker = push.worker}};
    }
    // Who is late computes too. So this is `pushed < present - backups`, of the workers that are in the round.
    const std::size_t computing = cluster.computing();
    if (computing > backups_ || (computing > 0 && cluster.pending().empty())) return {};
    std::vector<Decision> decisions = update_of_round(cluster);
    for (const auto& [step, worker] : cluster.waiting()) decisions.emplace_back(Release{.worker = worker});
    return decisions;
  }

 private:
  std::size_t backups_;
};

}  // namespace

Entry backup_entry() {
  return {
      .name = "backup",
      .brief = "as bsp, but the slowest `backups` workers of a round are not waited for",
      .rule =
          "Rounds as in bsp, but a round ends when all workers except `backups` have pushed; the update is the mean of "
          "what came. A push that comes later was computed on an older model: it is dropped, and its worker takes the "
          "new model and enters the round that is open then.",
      .source =
          "Chen et al., arXiv 1604.00981, 2016, as restated by the papers on DSSP (section II) and ElasticBSP (VI)",
      .stated =
          "Of N + b workers the first N gradients of an iteration are averaged, the b late ones are dropped: their "
          "tag is older than the current iteration.",
      .read =
          "The backups are counted among cluster.workers: a round wants max(1, present - backups) pushes of the "
          "workers that are in it. A late worker does not finish waiting for the round, it starts in it at once.",
      .parameters = {{.name = "backups",
                      .default_value = std::int64_t{1},
                      .minimum = 0,
                      .maximum = 1e9,
                      .choices = {},
                      .meaning = "workers that a round does not wait for; 0 is bsp"}},
      .make = [](const Parameters& parameters, const Setting&) -> std::unique_ptr<Strategy> {
        return std::make_unique<Backup>(static_cast<std::size_t>(parameters.integer("backups")));
      },
  };
}

}  // namespace psctl::sync
