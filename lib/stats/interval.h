// What a handful of repetitions tell of a mean: Student's t for few, the bootstrap from twenty values on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace psctl::stats {

double mean(std::span<const double> values);                // of at least one
double standard_deviation(std::span<const double> values);  // with n - 1; 0 of a single value
double median(std::span<const double> values);              // of at least one; between the two in the middle

// Student's t: the value that a variable stays below with this probability, in (0, 1). `degrees` >= 1.
double t_quantile(double probability, double degrees);

enum class Method { kNone, kT, kBootstrap };  // kNone: of one value, which has no interval
const char* name_of(Method method);           // "none", "t", "bootstrap"

struct Interval {
  double mean = 0;
  double low = 0, high = 0;  // without end where there is no interval
  std::size_t n = 0;
  Method method = Method::kNone;
  double level = 0.95;
};

// For the mean of the law that the values, at least one, were drawn from.
Interval t_interval(std::span<const double> values, double level = 0.95);
// Efron's BCa, widened for small numbers, of 10,000 resamples; the same values and seed give the same interval.
Interval bootstrap_interval(std::span<const double> values, std::uint64_t seed = 1, double level = 0.95);
// By t below 20 values, by bootstrap from there on.
Interval interval(std::span<const double> values, double level = 0.95);

}  // namespace psctl::stats
