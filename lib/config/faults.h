// What is wrong with a configuration, collected so that all of it is told at once, in the order of the file.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace psctl::config {

// Where something stands: in the file, or in an override.
struct Place {
  std::uint32_t source = 0;  // 0: the file; n: override number n, from 1
  int line = 0, column = 0;  // from 1; 0: the file as a whole, or an override
  friend auto operator<=>(const Place&, const Place&) = default;
};

class Faults {
 public:
  // `file` stands for the file in messages; `overrides` are shown as they are.
  Faults(std::string file, std::vector<std::string> overrides);

  // `path` is the key that the fault is about (cluster.workers), empty if it leaves the keys readable. The message
  // names the key.
  void add(Place place, std::string path, std::string message);

  std::size_t count() const { return count_; }
  // Whether a fault was found at this key or in a section around it: what was read means nothing.
  bool cover(std::string_view path) const;
  // The same, or further down: not all of what was read means something.
  bool touch(std::string_view path) const;
  // Each with its place, in the order of the file, then of the overrides.
  std::vector<std::string> told() const;
  std::string name_of(std::uint32_t source) const;

 private:
  struct Fault {
    Place place;
    std::string path;
    std::string message;
  };
  std::string file_;
  std::vector<std::string> overrides_;
  std::vector<Fault> faults_;
  std::size_t count_ = 0;
};

// Foreign text in a message: in quotes, short, without control characters.
std::string in_quotes(std::string_view text);

}  // namespace psctl::config
