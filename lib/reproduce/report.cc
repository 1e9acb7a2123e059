#include "reproduce/report.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/text.h"

namespace psctl::reproduce {
namespace {

using Json = nlohmann::ordered_json;

std::string cell_text(std::string_view text) {
  std::string cell;
  for (char c : text) cell += c == '|' ? std::string("\\|") : c == '\n' ? std::string(" ") : std::string(1, c);
  return cell;
}

std::string csv_text(std::string_view text) {
  if (text.find_first_of(",\"\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string number(std::optional<double> value) {
  return value && std::isfinite(*value) ? fmt::format("{:.6g}", *value) : std::string();
}

Json json_number(std::optional<double> value) { return value && std::isfinite(*value) ? Json(*value) : Json(nullptr); }

// "a2s 81.3 %, bsp 80.9 %"; a rival that is a number stands in the criterion already.
std::string figures(const Judged& one, const Comparison& comparison) {
  if (comparison.finding.effect.n == 0) return "";
  const std::string& measure = one.claim->grows_from.empty() ? one.claim->measure : "";
  const std::string mine = fmt::format("{} {}", comparison.subject, number_text(measure, comparison.subject_mean));
  if (comparison.rival_is_number) return mine;
  return fmt::format("{}, {} {}", mine, comparison.rival, number_text(measure, comparison.rival_mean));
}

// What the verdict rests on, in a line: the tightest comparison, and where the claim holds if not everywhere.
std::string measured_text(const Judged& one) {
  const Comparison* tightest = one.tightest();
  if (!tightest) return one.notes.empty() ? "-" : one.notes.front();
  const bool alone = one.comparisons.size() == 1;
  const std::string where = where_text(one);
  return fmt::format("{} ({}{}{}; n = {}){}", effect_text(*one.claim, tightest->finding),
                     alone ? "" : "tightest: ", figures(one, *tightest),
                     one.settings.size() < 2 ? "" : ", " + tightest->setting, tightest->finding.effect.n,
                     where.empty() ? "" : "; " + where);
}

struct Counts {
  std::size_t held = 0, not_held = 0, inconclusive = 0;
  std::string text() const {
    return fmt::format("{} held, {} not held, {} inconclusive", held, not_held, inconclusive);
  }
};

// The modes of one claim, side by side.
std::vector<std::vector<const Judged*>> by_claim(const Verdicts& verdicts) {
  std::vector<std::vector<const Judged*>> claims;
  for (const Judged& one : verdicts.judged) {
    if (claims.empty() || claims.back().front()->claim != one.claim) claims.emplace_back();
    claims.back().push_back(&one);
  }
  return claims;
}

bool differ(const std::vector<const Judged*>& modes) {
  return modes.size() == 2 && modes[0]->verdict != modes[1]->verdict;
}

double mean(const std::vector<Measured>& values) {
  double sum = 0;
  for (const Measured& value : values) sum += value.value;
  return sum / static_cast<double>(values.size());
}

std::string outcome_text(std::string_view measure, const std::vector<Measured>& values) {
  const auto censored = static_cast<std::size_t>(std::ranges::count_if(values, &Measured::censored));
  if (censored == values.size()) return "not reached";
  const std::string text = number_text(measure, mean(values));
  return censored == 0 ? text : fmt::format("> {} ({} of {} reached)", text, values.size() - censored, values.size());
}

// Measures of a study that claims ask for, and the usual ones beside them.
std::vector<std::string> shown_measures(const Preset& preset, const Study& study, const Verdicts& verdicts,
                                        std::size_t p, std::size_t s) {
  std::vector<std::string> measures;
  for (const Claim& claim : preset.claims) {
    if (claim.study == study.name && std::ranges::find(measures, claim.measure) == measures.end())
      measures.push_back(claim.measure);
  }
  for (const char* usual : {"final_accuracy", "time_s"}) {
    if (study.rates != Rates::kGiven && std::ranges::find(measures, usual) == measures.end())
      measures.emplace_back(usual);
  }
  std::erase_if(measures, [&](const std::string& measure) {
    return std::ranges::none_of(verdicts.outcomes, [&](const Outcome& outcome) {
      return outcome.cell.preset == p && outcome.cell.study == s && outcome.measures.contains(measure);
    });
  });
  return measures;
}

// A row a setting, a column a contender.
std::string outcome_tables(const Campaign& campaign, const Verdicts& verdicts, std::size_t p, std::size_t s) {
  const Preset& preset = campaign.presets()[p];
  const Study& study = preset.studies[s];
  std::string text;
  std::map<Mode, std::map<std::string, std::map<std::size_t, std::map<std::size_t, const Outcome*>>>> tables;
  const std::vector<std::string> measures = shown_measures(preset, study, verdicts, p, s);
  std::vector<Mode> modes;
  for (const Outcome& outcome : verdicts.outcomes) {
    if (outcome.cell.preset != p || outcome.cell.study != s) continue;
    if (std::ranges::find(modes, outcome.mode) == modes.end()) modes.push_back(outcome.mode);
    for (const std::string& measure : measures) {
      if (outcome.measures.contains(measure))
        tables[outcome.mode][measure][outcome.cell.setting][outcome.cell.contender] = &outcome;
    }
  }
  for (Mode mode : modes) {
    for (const std::string& measure : measures) {
      const auto& rows = tables[mode][measure];
      if (rows.empty()) continue;
      text += fmt::format("\n`{}`{}:\n\n| |", measure, mode == Mode::kGiven ? "" : fmt::format(", {}", word(mode)));
      for (const Contender& contender : study.contenders) text += fmt::format(" {} |", cell_text(contender.name));
      text += "\n|---|";
      for (std::size_t i = 0; i < study.contenders.size(); ++i) text += "---|";
      for (const auto& [setting, row] : rows) {
        text += fmt::format("\n| {} |", cell_text(study.settings[setting].name()));
        for (std::size_t c = 0; c < study.contenders.size(); ++c) {
          const auto found = row.find(c);
          text += found == row.end() ? " - |"
                                     : fmt::format(" {} |", outcome_text(measure, found->second->measures.at(measure)));
        }
        if (mode == Mode::kGiven) continue;
        text += "\n| rates |";
        for (std::size_t c = 0; c < study.contenders.size(); ++c) {
          const auto found = row.find(c);
          text += found == row.end() || !found->second->rate ? " - |" : fmt::format(" {:g} |", *found->second->rate);
        }
      }
      text += "\n";
    }
  }
  return text;
}

std::string power_number(const Judged& one) {
  if (one.power.power) return fmt::format("{:.2f}{}", *one.power.power, one.power.low() ? " low" : "");
  return one.power.detectable ? "0.8" : "-";
}

std::string power_effect(const Judged& one) {
  if (one.power.effect) return effect_text(*one.claim, *one.power.effect);
  return one.power.detectable ? "beyond " + effect_text(*one.claim, *one.power.detectable) : "-";
}

std::string comparison_table(const Judged& one) {
  const std::string measure = one.claim->grows_from.empty() ? one.claim->measure : "";
  std::string text = "\n| setting | who | | against | | effect, 95 % | verdict |\n|---|---|---|---|---|---|---|\n";
  for (const Comparison& comparison : one.comparisons) {
    const bool known = comparison.finding.effect.n > 0;
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {}{} |\n", cell_text(comparison.setting),
                        cell_text(comparison.subject), known ? number_text(measure, comparison.subject_mean) : "-",
                        cell_text(comparison.rival),
                        known && !comparison.rival_is_number ? number_text(measure, comparison.rival_mean) : "",
                        effect_text(*one.claim, comparison.finding), word(comparison.finding.verdict),
                        comparison.finding.reason.empty() ? "" : ": " + cell_text(comparison.finding.reason));
  }
  return text;
}

}  // namespace

std::string power_table(const Verdicts& verdicts) {
  std::size_t width = 5;
  for (const Judged& one : verdicts.judged) width = std::max(width, one.claim->id.size());
  std::string text = fmt::format("{:<{}}  {:<17} {:>5}  {:<8} {:<22} {}\n", "claim", width, "rates", "seeds", "power",
                                 "if truly", "assuming");
  for (const Judged& one : verdicts.judged) {
    text += fmt::format("{:<{}}  {:<17} {:>5}  {:<8} {:<22} {}\n", one.claim->id, width, word(one.mode),
                        one.preset->study(one.claim->study).seeds, power_number(one), power_effect(one),
                        one.power.assumes);
  }
  return text;
}

std::string table(const Verdicts& verdicts) {
  std::size_t width = 5;
  for (const Judged& one : verdicts.judged) width = std::max(width, one.claim->id.size());
  std::string text = fmt::format("{:<{}}  {:<17} {:<26} {}\n", "claim", width, "rates", "verdict",
                                 "measured, 95 %  |  criterion  |  published");
  for (const Judged& one : verdicts.judged) {
    text += fmt::format("{:<{}}  {:<17} {:<26} {}  |  {}  |  {}\n", one.claim->id, width, word(one.mode),
                        verdict_text(one), measured_text(one), one.claim->criterion,
                        one.claim->published.empty() ? "no figure" : one.claim->published);
  }
  return text;
}

std::string markdown(const Campaign& campaign, const Verdicts& verdicts, const Made& made) {
  Counts counts;
  std::string differing;
  const auto claims = by_claim(verdicts);
  for (const Judged& one : verdicts.judged) {
    ++(one.verdict == Verdict::kHeld      ? counts.held
       : one.verdict == Verdict::kNotHeld ? counts.not_held
                                          : counts.inconclusive);
  }
  for (const auto& modes : claims) {
    if (!differ(modes)) continue;
    differing += fmt::format("* **{}**: {} with one rate for all, {} with each strategy's best.\n", modes[0]->claim->id,
                             word(modes[0]->verdict), word(modes[1]->verdict));
  }
  std::string text = fmt::format(
      "# The papers' claims on this harness\n\n"
      "{} verdicts on {} claims: {}. Made by `psctl reproduce` {}, size {}, of {}, on {} ({}).\n\n"
      "A claim is an inequality that was written down before anything was run (`configs/papers/`); what was changed of "
      "its "
      "set-up later stands in our reading of the paper. Its quantity is the paired "
      "difference over seeds, or the ratio of times; **held** is where the whole 95 % interval lies where the claim "
      "has it, **not "
      "held** where all of it lies elsewhere, **inconclusive** is the rest. Time is that of the virtual clock. "
      "Published "
      "figures come from other machines and larger models: the ordering is what is judged, the magnitude is shown "
      "beside ours. "
      "Claims about training are judged twice: with one learning rate for all, the best of BSP, and with each "
      "strategy's own best, "
      "both from the same search on validation samples. The power is how often the experiment, simulated, bears out "
      "what the source says; below 0.8 it stands with the verdict.\n\n",
      verdicts.judged.size(), claims.size(), counts.text(), made.version, word(made.size), counted(made.runs, "run"),
      made.host, counted(made.cores, "core"));
  if (!differing.empty()) text += "What the learning rate decides:\n\n" + differing + "\n";
  for (const std::string& picture : made.pictures) text += fmt::format("![{}]({})\n\n", picture, picture);
  text +=
      "| claim | what | rates | verdict | measured, 95 % | criterion | published | power, if truly |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (const Judged& one : verdicts.judged) {
    text += fmt::format("| {} | {} | {} | **{}**{} | {} | {} | {} | {}, {} |\n", cell_text(one.claim->id),
                        cell_text(one.claim->says), word(one.mode), verdict_text(one),
                        one.claim->expected.empty() ? "" : " (expected: " + cell_text(one.claim->expected) + ")",
                        cell_text(measured_text(one)), one.claim->criterion, cell_text(one.claim->published),
                        power_number(one), power_effect(one));
  }
  for (std::size_t p = 0; p < campaign.presets().size(); ++p) {
    const Preset& preset = campaign.presets()[p];
    text += fmt::format("\n## {}\n\n{}\n\n**Stated.** {}\n\n**Our reading.** {}\n", preset.title, preset.source,
                        preset.stated, preset.read);
    if (!preset.left_out.empty()) text += fmt::format("\nNot judged at this size: {}.\n", enumerate(preset.left_out));
    for (const Judged& one : verdicts.judged) {
      if (one.preset != &preset) continue;
      text += fmt::format("\n### {}{}: {}\n\n{} Known from: {}. Published: {}. Criterion: {}.\n", one.claim->id,
                          one.mode == Mode::kGiven ? "" : fmt::format(", {}", word(one.mode)), verdict_text(one),
                          one.claim->says, one.claim->known_from,
                          one.claim->published.empty() ? "no figure" : one.claim->published, one.claim->criterion);
      text += fmt::format("\nPower: {}, if truly {} ({}).\n", power_number(one), power_effect(one), one.power.assumes);
      for (const std::string& note : one.notes) text += fmt::format("\n{}.\n", note);
      if (!one.comparisons.empty()) text += comparison_table(one);
    }
    for (std::size_t s = 0; s < preset.studies.size(); ++s) {
      const std::string tables = outcome_tables(campaign, verdicts, p, s);
      if (tables.empty()) continue;
      text += fmt::format("\n### Study {}\n\n{}\n\n", preset.studies[s].name, preset.studies[s].says);
      std::vector<std::string> contenders;
      for (const Contender& contender : preset.studies[s].contenders) {
        contenders.push_back(contender.name == contender.strategy
                                 ? contender.name
                                 : fmt::format("{} `{}`", contender.name, contender.strategy));
      }
      text += fmt::format("Contenders: {}.\n\n", enumerate(contenders));
      for (const Setting& setting : preset.studies[s].settings) {
        if (!setting.says.empty() &&
            (!setting.network_part || setting.network_part == preset.studies[s].settings.front().network_part)) {
          text += fmt::format("* {}: {}.\n", setting.profile, setting.says);
        }
      }
      text += tables;
    }
  }
  if (!campaign.notices().empty()) {
    text += "\n## Notes\n\n";
    for (const std::string& notice : campaign.notices()) text += fmt::format("* {}.\n", notice);
  }
  return text;
}

std::string claims_csv(const Verdicts& verdicts) {
  std::string text =
      "paper,claim,rates,verdict,measure,setting,subject,rival,scale,effect,low,high,bound_low,bound_high,n,censored,"
      "published,criterion,power\n";
  for (const Judged& one : verdicts.judged) {
    const Comparison* tightest = one.tightest();
    const Finding none;
    const Finding& finding = tightest ? tightest->finding : none;
    const auto effect = [&](double value) { return tightest ? number(value) : std::string(); };
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_text(one.preset->name),
                        csv_text(one.claim->id), word(one.mode), word(one.verdict), one.claim->measure,
                        tightest ? csv_text(tightest->setting) : "", tightest ? csv_text(tightest->subject) : "",
                        tightest ? csv_text(tightest->rival) : "",
                        one.claim->scale == Scale::kRatio ? "log_ratio" : "difference", effect(finding.effect.mean),
                        effect(finding.effect.low), effect(finding.effect.high), number(one.claim->region.low),
                        number(one.claim->region.high), finding.effect.n, finding.censored,
                        csv_text(one.claim->published), csv_text(one.claim->criterion), number(one.power.power));
  }
  return text;
}

std::string comparisons_csv(const Verdicts& verdicts) {
  std::string text =
      "paper,claim,rates,setting,network_part,subject,rival,subject_rate,rival_rate,measure,subject_mean,rival_mean,"
      "scale,effect,low,high,"
      "n,censored,verdict,reason\n";
  for (const Judged& one : verdicts.judged) {
    for (const Comparison& c : one.comparisons) {
      text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                          csv_text(one.preset->name), csv_text(one.claim->id), word(one.mode), csv_text(c.setting),
                          number(c.network_part), csv_text(c.subject), csv_text(c.rival), number(c.subject_rate),
                          number(c.rival_rate), one.claim->measure, number(c.subject_mean), number(c.rival_mean),
                          one.claim->scale == Scale::kRatio ? "log_ratio" : "difference", number(c.finding.effect.mean),
                          number(c.finding.effect.low), number(c.finding.effect.high), c.finding.effect.n,
                          c.finding.censored, word(c.finding.verdict),
                          csv_text(c.finding.reason));
    }
  }
  return text;
}

std::string outcomes_csv(const Campaign& campaign, const Verdicts& verdicts) {
  std::string text = "paper,study,setting,profile,network_part,contender,rates,rate,measure,n,censored,mean,values\n";
  for (const Outcome& outcome : verdicts.outcomes) {
    const Preset& preset = campaign.presets()[outcome.cell.preset];
    const Study& study = preset.studies[outcome.cell.study];
    const Setting& setting = study.settings[outcome.cell.setting];
    for (const auto& [measure, values] : outcome.measures) {
      std::string all;
      for (const Measured& value : values)
        all += fmt::format("{}{:.6g}{}", all.empty() ? "" : " ", value.value, value.censored ? "+" : "");
      text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_text(preset.name), csv_text(study.name),
                          csv_text(setting.name()), csv_text(setting.profile), number(setting.network_part),
                          csv_text(study.contenders[outcome.cell.contender].name), word(outcome.mode),
                          number(outcome.rate), measure, values.size(),
                          std::ranges::count_if(values, &Measured::censored), number(mean(values)), all);
    }
  }
  return text;
}

std::string rates_csv(const Campaign& campaign) {
  std::string text = "paper,study,setting,contender,rate,chosen,mean_accuracy,median_time_to_target_s\n";
  for (const auto& [cell, chosen] : campaign.chosen()) {
    const Preset& preset = campaign.presets()[cell.preset];
    const Study& study = preset.studies[cell.study];
    for (const sweep::Trial& tried : chosen.tried) {
      text += fmt::format(
          "{},{},{},{},{:g},{},{},{}\n", preset.name, study.name, csv_text(study.settings[cell.setting].name()),
          csv_text(study.contenders[cell.contender].name), tried.value, tried.value == chosen.best ? "yes" : "no",
          number(tried.all_diverged() ? std::nullopt : std::optional(tried.mean_accuracy())),
          number(tried.median_time_s()));
    }
  }
  return text;
}

std::string json(const Campaign& campaign, const Verdicts& verdicts, const Made& made) {
  Json all;
  all["format"] = 1;
  all["version"] = made.version;
  all["size"] = word(made.size);
  all["host"] = made.host;
  all["cores"] = made.cores;
  all["runs"] = made.runs;
  all["claims"] = Json::array();
  for (const auto& modes : by_claim(verdicts)) {
    const Claim& claim = *modes.front()->claim;
    Json one = {{"id", claim.id},
                {"paper", modes.front()->preset->name},
                {"says", claim.says},
                {"known_from", claim.known_from},
                {"published", claim.published},
                {"measure", claim.measure},
                {"criterion", claim.criterion},
                {"scale", claim.scale == Scale::kRatio ? "log_ratio" : "difference"},
                {"bounds", {json_number(claim.region.low), json_number(claim.region.high)}},
                {"verdicts_differ", differ(modes)},
                {"verdicts", Json::array()}};
    for (const Judged* judged : modes) {
      Json verdict = {{"rates", word(judged->mode)},
                      {"verdict", word(judged->verdict)},
                      {"power", json_number(judged->power.power)},
                      {"power_if", json_number(judged->power.effect)},
                      {"power_assumes", judged->power.assumes},
                      {"notes", judged->notes},
                      {"comparisons", Json::array()}};
      for (const Comparison& c : judged->comparisons) {
        verdict["comparisons"].push_back({{"setting", c.setting},
                                          {"network_part", json_number(c.network_part)},
                                          {"subject", c.subject},
                                          {"rival", c.rival},
                                          {"subject_rate", json_number(c.subject_rate)},
                                          {"rival_rate", json_number(c.rival_rate)},
                                          {"subject_mean", json_number(c.subject_mean)},
                                          {"rival_mean", json_number(c.rival_mean)},
                                          {"effect", json_number(c.finding.effect.mean)},
                                          {"low", json_number(c.finding.effect.low)},
                                          {"high", json_number(c.finding.effect.high)},
                                          {"n", c.finding.effect.n},
                                          {"censored", c.finding.censored},
                                          {"verdict", word(c.finding.verdict)},
                                          {"reason", c.finding.reason}});
      }
      one["verdicts"].push_back(std::move(verdict));
    }
    all["claims"].push_back(std::move(one));
  }
  all["left_out"] = Json::array();
  for (const Preset& preset : campaign.presets()) {
    for (const std::string& id : preset.left_out) all["left_out"].push_back(id);
  }
  all["notes"] = campaign.notices();
  return all.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace psctl::reproduce
