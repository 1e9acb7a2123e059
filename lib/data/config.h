// The `data` section of a configuration, as plain values.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "data/import_options.h"

namespace psctl::data {

// Where samples come from that training does not see.
struct HeldOut {
  std::vector<std::string> files;  // of their own; or, if there are none,
  std::size_t count = 0;           // so many of the training samples are kept back
};

// Which samples data.train_limit keeps and data.validation and data.test keep back. Shuffled: drawn. Stratified: drawn
// of every class by itself, as many as its share. Ordered: the limit keeps the first samples; validation, and behind it
// test, are the last ones.
enum class SplitKind { kShuffled, kStratified, kOrdered };

// As suits the samples: see normalize_for; as they are; into [0, 1]; mean 0 and deviation 1; into [-1, 1] by the
// largest absolute value. Always of the training part.
enum class Normalize { kAuto, kNone, kUnit, kStandard, kMaxAbs };
enum class Per { kAll, kFeature };

struct NormalizeConfig {
  Normalize kind = Normalize::kAuto;
  Per per = Per::kAll;  // one transform for all values, or one a feature
};

enum class Flip { kNone, kHorizontal };

// What is done to the images of training batches, drawn anew for every step.
struct AugmentConfig {
  std::size_t crop = 0;  // zeros around the image, on each side, before a crop of the image's size; 0: none
  Flip flip = Flip::kNone;
  bool any() const { return crop > 0 || flip != Flip::kNone; }
};

struct ImportConfig {
  std::string format;  // empty: the content tells
  // Where labels lie in files of their own: one for each file of data.source, data.validation and data.test.
  std::optional<std::vector<std::string>> labels, validation_labels, test_labels;
  ImportOptions options;
};

enum class PartitionKind { kIid, kByLabel, kDirichlet, kQuantity };
enum class SizeLaw { kEqual, kPower };

inline constexpr double kDefaultExponent = 1;

// How the training samples are dealt to the workers. Only the values of its own kind are used.
struct PartitionConfig {
  PartitionKind kind = PartitionKind::kIid;
  std::size_t shards = 2;                         // by_label: of each worker
  double alpha = 0.5;                             // dirichlet: concentration; the smaller, the more uneven
  std::optional<SizeLaw> law = {};                // quantity: equal unless sizes are given
  std::optional<double> exponent = {};            // quantity by law power: worker w, from 0, weighs (w + 1)^-exponent
  std::optional<std::vector<double>> sizes = {};  // quantity: a weight a worker, in place of a law
};

struct DataConfig {
  std::vector<std::string> source = {};  // a known name, a path, or the paths of files that count as one
  ImportConfig import = {};
  HeldOut test = {}, validation = {};
  std::size_t batch_size = 64;  // of each worker
  std::size_t train_limit = 0;  // 0: all
  SplitKind split = SplitKind::kShuffled;
  std::string one_vs_rest = {};  // a class, by name or number; empty: the classes as they are
  NormalizeConfig normalize = {};
  AugmentConfig augment = {};
  PartitionConfig partition = {};
};

}  // namespace psctl::data
