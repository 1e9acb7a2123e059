// What came of the claims, for people (Markdown), for tables (CSV) and for programs (JSON).
#pragma once

#include <string>

#include "reproduce/verdicts.h"

namespace psctl::reproduce {

struct Made {
  Size size = Size::kDefault;
  std::string version, host;
  std::size_t cores = 0;
  std::size_t runs = 0;               // that the claims rest on
  std::vector<std::string> pictures;  // file names beside the report
};

// The table of all claims on a terminal, 1 line a claim and a mode.
std::string table(const Verdicts& verdicts);

// The power of every claim's experiment, 1 line a claim and a mode.
std::string power_table(const Verdicts& verdicts);

std::string markdown(const Campaign& campaign, const Verdicts& verdicts, const Made& made);
std::string claims_csv(const Verdicts& verdicts);       // a row a claim and a mode
std::string comparisons_csv(const Verdicts& verdicts);  // a row a comparison that a verdict rests on
std::string outcomes_csv(const Campaign& campaign,
                         const Verdicts& verdicts);  // a row a contender, setting, mode and measure
std::string rates_csv(const Campaign& campaign);     // a row a rate that was tried
std::string json(const Campaign& campaign, const Verdicts& verdicts, const Made& made);

}  // namespace psctl::reproduce
