// Data sets that are drawn from a law of our own, so that it is known how accurate a classifier can be at best: a run
// on them shows how far it is from that, and not only from another run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/import.h"

namespace psctl::data {

enum class SyntheticKind { kBlobs, kTeacher, kSparse };

struct SyntheticConfig {
  SyntheticKind kind = SyntheticKind::kBlobs;
  std::uint64_t seed = 1;
  std::uint64_t samples = 10'000;  // of the training part
  std::uint64_t validation = 0;
  std::uint64_t test = 2'000;
  std::uint64_t features = 20;
  std::uint64_t classes = 2;   // blobs, teacher
  double distance = 3;         // blobs: between centres, in deviations of the noise
  std::uint64_t hidden = 32;   // teacher: units of its hidden layer
  double label_noise = 0;      // teacher: share of labels that are replaced by another one
  std::uint64_t entries = 30;  // sparse: features drawn for a sample
  double exponent = 1;         // sparse: of the power law of the features
  double signal = 3;           // sparse: deviation of the logit, about
};

// Throws UserError "--option: expected ..., found ..." for what cannot be drawn.
void check(const SyntheticConfig& config);

// How accurate the best of all classifiers is, which knows the law and sees the features only.
struct BestAccuracy {
  double value = 0;
  double error = 0;  // standard error; 0: exact
  std::string found_by;
};

// Some samples that were drawn.
struct Drawn {
  std::vector<float> floats;
  std::vector<Entry> entries;
  std::vector<std::uint32_t> row_entries;
  std::vector<std::uint32_t> labels;
};

// The law. Every sample is keyed by (seed, part, its number), so threads may draw any of them in any order.
//
// blobs: the class is uniform, the features are its centre plus standard normal noise. If there are enough features
//   (classes - 1) and at most 256 classes, the centres are the corners of a regular simplex with edges of `distance`,
//   turned at random; else they are drawn from a normal law under which the mean squared distance is distance^2.
// teacher: the features are standard normal; the class is the largest output of a network with one hidden layer of
//   ReLU, whose weights are normal and whose outputs have mean 0, so that no class is left out. With probability
//   label_noise the label is another class instead, each as likely.
// sparse: `entries` features are drawn, feature number r, from 1, with probability in proportion to r^-exponent; those
//   drawn are 1 (once, if drawn twice), the others 0. Every feature has a normal weight; the label is 1 with
//   probability 1 / (1 + exp(-logit)), where the logit is the sum of the weights present less its mean.
class Law {
 public:
  // The configuration has been checked.
  static std::unique_ptr<const Law> of(const SyntheticConfig& config);
  virtual ~Law() = default;

  // Appends the sample. Thread-safe.
  virtual void draw(Part part, std::uint64_t sample, Drawn& drawn) const = 0;
  struct Guess {
    std::uint32_t label = 0;
    double probability = 0;  // that it is right
  };
  // The most likely class of a sample with these features; `floats` or `entries`, as the law draws. Thread-safe.
  virtual Guess best_guess(std::span<const float> floats, std::span<const Entry> entries) const = 0;
  // Nothing if it has to be found from samples, as the mean of Guess::probability. May take seconds.
  virtual std::optional<BestAccuracy> best_accuracy() const = 0;
  // In words.
  virtual std::string description() const = 0;
  // Of a sample, about, with its label, in a prepared file.
  virtual double bytes_per_sample() const = 0;
};

struct Synthesis {
  BestAccuracy best;
  std::optional<double> on_test;  // accuracy of the best classifier on the test part, if there is one
  std::vector<std::string> notes;
};

// Draws the data set into the sink, whose summary gets the notes: the law and the best accuracy. Same bits for any
// number of threads; memory does not grow with the samples. `progress` is called now and then, from one thread at a
// time, with the share that is done; it may throw to give up. Throws UserError as check() does.
Synthesis synthesise(const SyntheticConfig& config, Sink& sink, const std::function<void(double)>& progress = {});

}  // namespace psctl::data
