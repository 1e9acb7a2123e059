// What the images of a data set look like: some of each class, as a picture or on the terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "data/prepared.h"
#include "picture.h"

namespace psctl::app {

class ContactSheet {
 public:
  // The first `per_class` images of each class of the training part. Floats are shown from black for the least to white
  // for the largest value of these images. Throws UserError where samples are no images of 1 or 3 channels.
  ContactSheet(const data::Prepared& prepared, std::size_t per_class);

  // A row a class, its name and number of samples on the left.
  Picture picture() const;
  // The same for a terminal of this many columns: two pixels a character in 24-bit colour, or shades made of letters.
  std::string text(std::size_t columns, bool colour) const;
  // Classes that there was no room for.
  std::size_t left_out() const { return left_out_; }

 private:
  struct Class {
    std::string name;
    std::size_t samples = 0;
    std::vector<Picture> images;
  };

  std::string title_, subtitle_;
  std::size_t per_class_, width_ = 0, height_ = 0;  // of an image
  std::vector<Class> classes_;
  std::size_t left_out_ = 0;
};

}  // namespace psctl::app
