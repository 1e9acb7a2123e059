// What a format reads out of files, before subsets are taken and values are normalised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace psctl::data {

struct Pixels {
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint32_t> labels;
};

struct Contents {
  Shape shape;
  std::size_t classes = 0;
  Pixels train, test;
};

}  // namespace psctl::data
