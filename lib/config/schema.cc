#include "config/schema.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace psctl::config {
namespace {

// Instants are whole nanoseconds in 64 bits: these bounds keep sums of many of them far from the end of the range, and
// a nanosecond is the shortest time there is.
constexpr double kLongestMs = 1e9;
constexpr double kLongestSeconds = 1e9;
constexpr Range kDelayMs = between(0, kLongestMs);
constexpr Range kSeconds = between(1e-9, kLongestSeconds);
constexpr Range kPatience = between(1, 1e7);
constexpr Range kShare = between(0, 1);
constexpr Range kBelowOne = {.minimum = 0, .maximum = 1, .below_maximum = true};
constexpr Range kAccuracy = {.minimum = 0, .maximum = 1, .above_minimum = true};
constexpr Range kEpochs = {.minimum = 0, .maximum = 1e6, .above_minimum = true};
// Less than this would make a transfer longer than any run.
constexpr Range kBandwidth = {.minimum = 0.001, .maximum = 1e9, .or_zero = true};
constexpr Range kPeriodEpochs = {.minimum = 1e-6, .maximum = 1e6, .or_zero = true};
constexpr Range kPeriodSeconds = {.minimum = 1e-6, .maximum = kLongestSeconds, .or_zero = true};
// A Dirichlet law of less is one worker for each class, of more equal shares.
constexpr Range kConcentration = between(1e-6, 1e6);
constexpr Range kWeight = between(1e-9, 1e9);
constexpr std::size_t kMostShards = 1 << 20;
constexpr std::size_t kMostServers = 512;
constexpr std::size_t kMostThreads = 1024;
constexpr std::size_t kMostRules = 65536;
constexpr std::size_t kMostLayers = 64;
constexpr std::size_t kWidestLayer = 1 << 20;
constexpr std::size_t kLongestName = 100;
constexpr std::size_t kMostParameters = 1'000'000'000'000;

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

std::string fault_of_name(std::string_view name) {
  const bool is_safe =
      std::ranges::all_of(name, [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
  if (!is_safe || !is_letter_or_digit(name[0])) {
    return "cannot name a folder; use letters, digits, '.', '_' and '-', and begin with a letter or digit";
  }
  if (name.size() > kLongestName) return fmt::format("is longer than {} characters", kLongestName);
  return {};
}

std::string fault_of_any(std::string_view) { return {}; }

ValueOf<std::vector<std::string>> files() {
  constexpr std::size_t kMostFiles = 65536;
  return list(text(fault_of_any, "a known name, or a path"), {.shortest = 1, .longest = kMostFiles, .one_alone = true});
}

std::string fault_of_host(std::string_view host) {
  const auto colon = host.rfind(':');
  const std::string_view name = host.substr(0, colon);
  const bool in_brackets = name.starts_with('[') && name.ends_with(']') && name.size() > 2;
  std::uint16_t port = 0;
  bool has_port = false;
  if (colon != std::string_view::npos) {
    const char* const end = host.data() + host.size();
    const auto [stopped, error] = std::from_chars(host.data() + colon + 1, end, port);
    has_port = error == std::errc() && stopped == end && port > 0;
  }
  const bool is_name = !name.empty() && name.find_first_of(" /") == std::string_view::npos &&
                       (in_brackets || name.find(':') == std::string_view::npos);
  return has_port && is_name ? "" : "is not HOST:PORT, as in node1:9000 or [::1]:9000";
}

std::string fault_of_address(std::string_view address) {
  const bool in_brackets = address.starts_with('[') && address.ends_with(']');
  const bool is_address = address.find_first_of(" /") == std::string_view::npos &&
                          (in_brackets || address.find(':') == std::string_view::npos);
  return is_address ? "" : "is no address without a port, as in 0.0.0.0 or [::]";
}

const auto& model_section() {
  using learn::ConvConfig;
  using learn::ModelKind;
  using learn::Save;
  static const auto conv =
      SectionOf<ConvConfig>()
          .add("filters", &ConvConfig::filters, whole(1, 65536), "channels out", {.required = true})
          .add("kernel", &ConvConfig::kernel, whole(1, 1024), "side of the kernel; stride 1", {.required = true})
          .add("padding", &ConvConfig::padding, whole(0, 1024), "zeros around the image, on each side")
          .add("pool", &ConvConfig::pool, whole(1, 1024), "side of the max pooling after the ReLU; 1: none");
  static const auto section =
      SectionOf<RunConfig>()
          .kind("kind", [](RunConfig & run) -> auto& { return run.model.kind; },
                choice<ModelKind>({{"logistic", ModelKind::kLogistic},
                                   {"mlp", ModelKind::kMlp},
                                   {"cnn", ModelKind::kCnn},
                                   {"none", ModelKind::kNone}}),
                "what is trained; none: timing only, on the virtual clock", {.required = true})
          .add("conv", [](RunConfig & run) -> auto& { return run.model.conv; },
               list(map(conv), {.shortest = 1, .longest = kMostLayers}), "convolutions, first to last",
               {.under = {"cnn"}, .initial = "[{filters: 6, kernel: 5, padding: 2, pool: 2}]"})
          .add("hidden", [](RunConfig & run) -> auto& { return run.model.hidden; },
               list(whole(1, kWidestLayer), {.shortest = 1, .longest = kMostLayers}), "widths of the hidden layers",
               {.under = {"mlp"}, .initial = "[256, 128]"})
          .add("hidden", [](RunConfig & run) -> auto& { return run.model.hidden; },
               list(whole(1, kWidestLayer), {.shortest = 0, .longest = kMostLayers}),
               "widths of the dense layers between the convolutions and the output",
               {.under = {"cnn"}, .initial = "[120, 84]"})
          .add("save", [](RunConfig & run) -> auto& { return run.model.save; },
               choice<Save>({{"none", Save::kNone}, {"final", Save::kFinal}}),
               "final: the last model is kept in the run's folder", {.under = {"logistic", "mlp", "cnn"}})
          .add("parameters", [](RunConfig & run) -> auto& { return run.simulation.parameters; },
               whole(0, kMostParameters),
               "size of the model, 4 bytes each, for the time that transfers take; 0: they carry nothing",
               {.under = {"none"}});
  return section;
}

// "784", "28x28" or "3x32x32".
class ShapeValue final : public Value {
 public:
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    const auto shape = node.kind == Node::Kind::kScalar ? data::parse_shape(node.text) : std::nullopt;
    if (shape) {
      *static_cast<data::Shape*>(target) = *shape;
    } else {
      refuse_type(node, path, faults, "CHANNELSxHEIGHTxWIDTH");
    }
  }
  Node write(const void* source) const override {
    return Node::word(data::to_text(*static_cast<const data::Shape*>(source)));
  }
  Description describe() const override { return {.type = "text", .allowed = "as in 784, 28x28 or 3x32x32"}; }
};

// Files, or how many of the training samples take their place.
class HeldOutValue final : public Value {
 public:
  void read(const Node& node, const std::string& path, Faults& faults, void* target) const override {
    auto& held_out = *static_cast<data::HeldOut*>(target);
    held_out = {};
    if (node.kind == Node::Kind::kScalar && node.plain &&
        node.text.find_first_not_of("0123456789.+-eE") == std::string::npos) {
      count_.value->read(node, path, faults, &held_out.count);
    } else {
      files_.value->read(node, path, faults, &held_out.files);
    }
  }
  Node write(const void* source) const override {
    const auto& held_out = *static_cast<const data::HeldOut*>(source);
    return held_out.files.empty() ? count_.value->write(&held_out.count) : files_.value->write(&held_out.files);
  }
  Description describe() const override {
    return {.type = "integer, text or list of text", .allowed = "a number of samples, or paths"};
  }

 private:
  ValueOf<std::uint64_t> count_ = whole(0);
  ValueOf<std::vector<std::string>> files_ = files();
};

ValueOf<data::HeldOut> held_out() { return {std::make_shared<HeldOutValue>()}; }

const auto& import_section() {
  using data::ImportConfig;
  using data::Missing;
  using data::Values;
  static const auto section =
      SectionOf<ImportConfig>()
          .add("format", &ImportConfig::format, text(fault_of_any, "as psctl data list has it"), "of the files",
               {.default_in_words = "what their content tells"})
          .add("labels", &ImportConfig::labels, optional(files()),
               "files of labels, where they lie apart: one for each file of data.source")
          .add("validation_labels", &ImportConfig::validation_labels, optional(files()), "the same for data.validation")
          .add("test_labels", &ImportConfig::test_labels, optional(files()), "the same for data.test")
          .add("shape", [](ImportConfig & import) -> auto& { return import.options.shape; },
               optional(ValueOf<data::Shape>{std::make_shared<ShapeValue>()}), "how a row of values is an image",
               {.default_in_words = "what the format tells, or a row"})
          .add("channels", [](ImportConfig & import) -> auto& { return import.options.channels_last; },
               optional(choice<bool>({{"first", false}, {"last", true}})),
               "whether an image's channels are the first or the last axis of an array",
               {.default_in_words = "what the array tells"})
          .add("values", [](ImportConfig & import) -> auto& { return import.options.values; },
               optional(choice<Values>({{"bytes", Values::kBytes}, {"floats", Values::kFloats}})),
               "bytes: whole numbers from 0 to 255", {.default_in_words = "what the format tells, or floats"})
          .add(
              "missing", [](ImportConfig & import) -> auto& { return import.options.missing; },
              choice<Missing>({{"refuse", Missing::kRefuse}, {"zero", Missing::kZero}, {"mean", Missing::kMean}}),
              "what becomes of missing values; mean: of the feature, over the training part")
          .add("label", [](ImportConfig & import) -> auto& { return import.options.label; },
               optional(text(fault_of_any, "a name, or a number from 1")), "the column of the label",
               {.default_in_words = "the last"})
          .add("header", [](ImportConfig & import) -> auto& { return import.options.header; }, optional(flag()),
               "whether the first line names the columns", {.default_in_words = "what the file tells"})
          .add(
              "delimiter", [](ImportConfig & import) -> auto& { return import.options.delimiter; },
              optional(choice<char>({{"comma", ','}, {"tab", '\t'}, {"semicolon", ';'}, {"bar", '|'}, {"space", ' '}})),
              "between the fields of a line; space: any number of blanks", {.default_in_words = "what the file tells"})
          .add("first_index", [](ImportConfig & import) -> auto& { return import.options.first_index; },
               optional(choice<std::uint32_t>({{"0", 0}, {"1", 1}})), "the first feature's number",
               {.default_in_words = "1, unless a 0 turns up"})
          .add("features", [](ImportConfig & import) -> auto& { return import.options.features; },
               optional(whole(1, std::uint64_t{1} << 32)), "how many there are, where the files may not show all",
               {.default_in_words = "as many as the files show"});
  return section;
}

const auto& data_section() {
  using data::AugmentConfig;
  using data::DataConfig;
  using data::Flip;
  using data::Normalize;
  using data::NormalizeConfig;
  using data::PartitionConfig;
  using data::PartitionKind;
  using data::Per;
  using data::SizeLaw;
  using data::SplitKind;
  static const auto partition =
      SectionOf<PartitionConfig>()
          .kind("kind", &PartitionConfig::kind,
                choice<PartitionKind>({{"iid", PartitionKind::kIid},
                                       {"by_label", PartitionKind::kByLabel},
                                       {"dirichlet", PartitionKind::kDirichlet},
                                       {"quantity", PartitionKind::kQuantity}}),
                "how the training samples are dealt to the workers (psctl data inspect --partition shows it); iid: "
                "shuffled, equal parts; by_label: each has few classes; dirichlet: each class is shared out unevenly; "
                "quantity: shuffled, unequal parts")
          .add("shards", &PartitionConfig::shards, whole(1, kMostShards),
               "pieces of the samples sorted by class that each worker gets", {.under = {"by_label"}})
          .add("alpha", &PartitionConfig::alpha, number(kConcentration),
               "concentration of the workers' shares of a class; the smaller, the more uneven",
               {.under = {"dirichlet"}})
          .add("law", &PartitionConfig::law,
               optional(choice<SizeLaw>({{"equal", SizeLaw::kEqual}, {"power", SizeLaw::kPower}})),
               "of the parts' sizes; power: worker w, from 0, weighs (w + 1)^-exponent",
               {.under = {"quantity"}, .default_in_words = "equal, unless sizes are given"})
          .add("exponent", &PartitionConfig::exponent, optional(number(between(0, 10))),
               "of the law power; 0: equal parts", {.under = {"quantity"}, .default_in_words = "1 with power"})
          .add("sizes", &PartitionConfig::sizes,
               optional(list(number(kWeight), {.shortest = 1, .longest = kMostWorkers})),
               "weights of the parts' sizes in place of a law, one a worker, as its speed", {.under = {"quantity"}});
  static const auto normalize =
      SectionOf<NormalizeConfig>()
          .kind("kind", &NormalizeConfig::kind,
                choice<Normalize>({{"auto", Normalize::kAuto},
                                   {"none", Normalize::kNone},
                                   {"unit", Normalize::kUnit},
                                   {"standard", Normalize::kStandard},
                                   {"max_abs", Normalize::kMaxAbs}}),
                "auto: standard, or unit for sparse samples; all of the training part: unit: into [0, 1], sparse "
                "samples as max_abs; standard: mean 0 and deviation 1; max_abs: into [-1, 1] by the "
                "largest absolute value, zeros stay")
          .add("per", &NormalizeConfig::per, choice<Per>({{"all", Per::kAll}, {"feature", Per::kFeature}}),
               "all: one scale for all values; feature: each has its own",
               {.under = {"auto", "unit", "standard", "max_abs"}})
          .let_kind_stand_alone();
  static const auto augment =
      SectionOf<AugmentConfig>()
          .add("crop", &AugmentConfig::crop, whole(0, 1024),
               "zeros added on each side of the image before a crop of its own size at random; 0: none")
          .add("flip", &AugmentConfig::flip, choice<Flip>({{"none", Flip::kNone}, {"horizontal", Flip::kHorizontal}}),
               "horizontal: every second image at random is mirrored, left to right");
  static const auto section =
      SectionOf<DataConfig>()
          .add("source", &DataConfig::source, files(),
               "the data set: a known name (psctl data list), or files of training samples",
               {.default_in_words = "none: needed unless model.kind is none"})
          .add("import", &DataConfig::import, map(import_section()), "")
          .add("test", &DataConfig::test, held_out(),
               "files of test samples, or how many training samples are taken out for it; 0: the source brings them")
          .add("batch_size", &DataConfig::batch_size, whole(1, 1 << 24),
               "samples of a worker's step; with model.kind none only counted")
          .add("train_limit", &DataConfig::train_limit, whole(0), "training samples that are used; 0: all")
          .add("validation", &DataConfig::validation, held_out(),
               "files of validation samples, or how many training samples are taken out for it")
          .add("split", &DataConfig::split,
               choice<SplitKind>({{"shuffled", SplitKind::kShuffled},
                                  {"stratified", SplitKind::kStratified},
                                  {"ordered", SplitKind::kOrdered}}),
               "which training samples are used and taken out: shuffled: drawn; stratified: drawn, every class by its "
               "share; ordered: the first are used, the last taken out")
          .add("one_vs_rest", &DataConfig::one_vs_rest, text(fault_of_any, "a class, by name or number"),
               "this class becomes class 1, all others class 0", {.default_in_words = "none: the classes as they are"})
          .add("normalize", &DataConfig::normalize, map(normalize), "")
          .add("augment", &DataConfig::augment, map(augment), "")
          .add("partition", &DataConfig::partition, map(partition), "");
  return section;
}

const auto& optimizer_section() {
  using learn::DcMode;
  using learn::OptimizerConfig;
  using learn::OptimizerKind;
  using learn::ScheduleConfig;
  using learn::ScheduleKind;
  using learn::StalenessConfig;
  using learn::StalenessKind;
  static const auto schedule =
      SectionOf<ScheduleConfig>()
          .kind("kind", &ScheduleConfig::kind,
                choice<ScheduleKind>({{"constant", ScheduleKind::kConstant},
                                      {"step", ScheduleKind::kStep},
                                      {"exponential", ScheduleKind::kExponential},
                                      {"cosine", ScheduleKind::kCosine}}),
                "how the learning rate changes over the epochs of settled samples; an update of the samples a to b "
                "takes the schedule at a and the warm-up at b, a local step likewise")
          .add("warmup_epochs", &ScheduleConfig::warmup_epochs, number(between(0, 1e6)),
               "epochs over which the rate rises linearly from 0; taken at the end of an update, so none has rate 0")
          .add("every_epochs", &ScheduleConfig::every_epochs, number(kEpochs), "epochs from one step to the next",
               {.under = {"step"}})
          .add("factor", &ScheduleConfig::factor, number({.minimum = 0, .maximum = 1e6, .above_minimum = true}),
               "the rate is multiplied by it from every such boundary on", {.under = {"step"}, .required = true})
          .add("factor", &ScheduleConfig::factor, number({.minimum = 0, .maximum = 1e6, .above_minimum = true}),
               "the rate is multiplied by it over every epoch", {.under = {"exponential"}, .required = true})
          .add("epochs", &ScheduleConfig::epochs, number(kEpochs), "the epoch at which the rate reaches 0",
               {.under = {"cosine"}, .required = true});
  static const auto staleness =
      SectionOf<StalenessConfig>()
          .kind(
              "kind", &StalenessConfig::kind,
              choice<StalenessKind>(
                  {{"none", StalenessKind::kNone}, {"inverse", StalenessKind::kInverse}, {"dc", StalenessKind::kDc}}),
              "what happens to a gradient that is some updates old: inverse lowers its rate, dc compensates the delay "
              "(DC-ASGD); neither of pushes that the strategy adds together")
          .add("offset", &StalenessConfig::offset, whole(0, 1),
               "0: rate / max(1, staleness); 1: rate / (staleness + 1)", {.under = {"inverse"}})
          .add("mode", &StalenessConfig::mode,
               choice<DcMode>({{"constant", DcMode::kConstant}, {"adaptive", DcMode::kAdaptive}}),
               "adaptive: lambda over the root of the mean squared gradient, of each worker", {.under = {"dc"}})
          .add("lambda", &StalenessConfig::lambda, optional(number(between(0, 1e6))),
               "how much of the delay is compensated; 0: none",
               {.under = {"dc"}, .default_in_words = "0.04 with constant, 2 with adaptive"})
          .add("decay", &StalenessConfig::decay, optional(number(kBelowOne)),
               "of the mean squared gradient, with mode adaptive",
               {.under = {"dc"}, .default_in_words = "0.95 with adaptive"});
  static const auto section =
      SectionOf<OptimizerConfig>()
          .kind("kind", &OptimizerConfig::kind,
                choice<OptimizerKind>({{"sgd", OptimizerKind::kSgd},
                                       {"momentum", OptimizerKind::kMomentum},
                                       {"nesterov", OptimizerKind::kNesterov},
                                       {"adagrad", OptimizerKind::kAdaGrad},
                                       {"adam", OptimizerKind::kAdam}}),
                "the rule of an update")
          .add("learning_rate", &OptimizerConfig::learning_rate,
               number({.minimum = 0, .maximum = 1e6, .above_minimum = true}), "of an update of full scale")
          .add("weight_decay", &OptimizerConfig::weight_decay, number(between(0, 1e6)),
               "L2 penalty, added to the gradient")
          .add("momentum", &OptimizerConfig::momentum, number(kBelowOne), "part of the last update that is kept",
               {.under = {"momentum", "nesterov"}})
          .add("beta1", &OptimizerConfig::beta1, number(kBelowOne), "decay of the mean gradient", {.under = {"adam"}})
          .add("beta2", &OptimizerConfig::beta2, number(kBelowOne), "decay of the mean squared gradient",
               {.under = {"adam"}})
          .add("epsilon", &OptimizerConfig::epsilon, number({.minimum = 0, .maximum = 1, .above_minimum = true}),
               "added to the divisor", {.under = {"adagrad", "adam"}})
          .add("schedule", &OptimizerConfig::schedule, map(schedule), "")
          .add("staleness", &OptimizerConfig::staleness, map(staleness), "");
  return section;
}

const auto& strategy_section() {
  using sync::StrategyConfig;
  static const auto section = [] {
    std::vector<std::pair<std::string, std::string>> names;
    for (const sync::Entry& entry : sync::entries()) names.emplace_back(entry.name, entry.name);
    SectionOf<StrategyConfig> made;
    made.kind("name", &StrategyConfig::name, choice<std::string>(std::move(names)),
              "the synchronization strategy (psctl strategies); the name alone may stand for the section");
    made.let_kind_stand_alone();
    for (const sync::Entry& entry : sync::entries()) {
      for (const sync::Parameter& each : entry.parameters) {
        const auto value = parameter(each);
        Extra extra{.under = {entry.name}};
        if (each.default_value) {
          const sync::Parameters defaults({{each.name, *each.default_value}});
          extra.initial = to_line(value.value->write(&defaults));
        }
        made.add(each.name, &StrategyConfig::parameters, value, each.meaning, std::move(extra));
      }
    }
    return made;
  }();
  return section;
}

const auto& cluster_section() {
  using lead::Membership;
  using sim::NetworkConfig;
  static const auto network =
      SectionOf<NetworkConfig>()
          .add("latency_ms", &NetworkConfig::latency_ms, number(kDelayMs), "virtual clock: of every transfer")
          .add("bandwidth_mbps", &NetworkConfig::bandwidth_mbps, number(kBandwidth),
               "virtual clock: megabits a second of a worker's own link, each way; 0: free")
          .add("server_bandwidth_mbps", &NetworkConfig::server_bandwidth_mbps, number(kBandwidth),
               "virtual clock: megabits a second of a server's link, each way; 0: free");
  static const auto membership =
      SectionOf<Membership>()
          .add("worker", &Membership::worker, worker(), "who comes later or goes early", {.required = true})
          .add("join_s", &Membership::join_s, optional(number(kSeconds)), "run time at which it joins")
          .add("leave_s", &Membership::leave_s, optional(number(kSeconds)), "run time at which it leaves")
          .add("join_step", &Membership::join_step, optional(whole(1)),
               "steps of the slowest worker after which it joins")
          .add("leave_step", &Membership::leave_step, optional(whole(1)), "steps of its own after which it leaves");
  static const auto section =
      SectionOf<RunConfig>()
          .add("workers", [](RunConfig & run) -> auto& { return run.cluster.workers; }, whole(1, kMostWorkers),
               fmt::format("workers that compute; at most {} with clock: real", kMostRealWorkers), {.initial = "4"})
          .add(
              "servers", [](RunConfig & run) -> auto& { return run.cluster.servers; }, whole(1, kMostServers),
              "servers that hold a part of the model each")
          .add(
              "threads_per_worker", [](RunConfig & run) -> auto& { return run.cluster.threads_per_worker; },
              whole(1, kMostThreads), "threads that a real worker computes with, at most as many as there are cores")
          .add(
              "sparse_pushes", [](RunConfig & run) -> auto& { return run.cluster.sparse_pushes; }, flag(),
              "a push of a logistic model on sparse samples carries only the parameters that it touches, where that is "
              "smaller, with plain sgd; the weights are the same without")
          .add(
              "compute_ms", [](RunConfig & run) -> auto& { return run.simulation.compute_ms; },
              list(number(between(1e-6, kLongestMs)), {.shortest = 1, .longest = kMostWorkers, .one_alone = true}),
              "virtual clock: time of a step; one for all, or one a worker")
          .add(
              "update_ms", [](RunConfig & run) -> auto& { return run.simulation.update_ms; }, number(kDelayMs),
              "virtual clock: time of an update at the server, one after the other; its version exists when it is done")
          .add(
              "network", [](RunConfig & run) -> auto& { return run.simulation.network; }, map(network), "")
          .add(
              "membership", [](RunConfig & run) -> auto& { return run.cluster.membership; },
              list(map(membership), {.longest = kMostWorkers}), "workers that come later or go early")
          .add(
              "hosts", [](RunConfig & run) -> auto& { return run.cluster.hosts; },
              list(text(fault_of_host, "HOST:PORT"), {.longest = kMostServers}),
              "where workers reach each server, by TCP; psctl train starts every process on this machine; none: Unix "
              "sockets")
          .add("bind", [](RunConfig & run) -> auto& { return run.cluster.bind; }, text(fault_of_address, "an address"),
               "address of this machine that the servers listen on, each at its port in hosts; needed beyond loopback",
               {.default_in_words = "that in hosts"})
          .add(
              "start_s", [](RunConfig & run) -> auto& { return run.cluster.start_s; }, number(kPatience),
              "real clock: seconds that the processes of a run wait for each other at its start")
          .add(
              "stall_s", [](RunConfig & run) -> auto& { return run.cluster.stall_s; }, number(kPatience),
              "real clock: seconds without a byte after which a process that owes an answer is given up as lost")
          .add(
              "silence_s", [](RunConfig & run) -> auto& { return run.cluster.silence_s; }, number(kPatience),
              "real clock: seconds without a push after which a worker that computes is given up as hung; longer than "
              "any step, its injected delay included");
  return section;
}

const auto& straggler_section() {
  using delay::Law;
  using delay::Phase;
  using delay::Rule;
  using delay::Target;
  const ListForm workers{.shortest = 1, .longest = kMostWorkers, .one_alone = false, .word = "all"};
  static const auto section =
      SectionOf<Rule>()
          .add("workers", &Rule::workers, list(worker(), workers), "who is slow", {.required = true})
          .kind("kind", &Rule::law,
                choice<Law>({{"constant", Law::kConstant},
                             {"uniform", Law::kUniform},
                             {"normal", Law::kNormal},
                             {"lognormal", Law::kLognormal},
                             {"pareto", Law::kPareto},
                             {"exponential", Law::kExponential},
                             {"markov", Law::kMarkov},
                             {"periodic", Law::kPeriodic},
                             {"window", Law::kWindow},
                             {"slowdown", Law::kSlowdown},
                             {"trace", Law::kTrace}}),
                "the law of the delay")
          .add("delay_ms", &Rule::delay_ms, number(kDelayMs), "delay of every step",
               {.under = {"constant"}, .required = true})
          .add("min_ms", &Rule::min_ms, number(kDelayMs), "least delay", {.under = {"uniform"}})
          .add("max_ms", &Rule::max_ms, number(kDelayMs), "greatest delay", {.under = {"uniform"}, .required = true})
          .add("mean_ms", &Rule::mean_ms, number(between(-kLongestMs, kLongestMs)),
               "mean of the normal law; a delay below 0 counts as 0", {.under = {"normal"}, .required = true})
          .add("sd_ms", &Rule::sd_ms, number(kDelayMs), "standard deviation of the normal law", {.under = {"normal"}})
          .add("median_ms", &Rule::median_ms, number(kDelayMs), "median delay",
               {.under = {"lognormal"}, .required = true})
          .add("sigma", &Rule::sigma, number(between(0, 10)), "standard deviation of the delay's logarithm",
               {.under = {"lognormal"}})
          .add("scale_ms", &Rule::scale_ms, number(kDelayMs), "least delay: scale_ms * u^(-1/shape), u uniform",
               {.under = {"pareto"}, .required = true})
          .add("shape", &Rule::shape, number({.minimum = 0, .maximum = 1e6, .above_minimum = true}),
               "tail: the smaller, the heavier", {.under = {"pareto"}})
          .add("delay_ms", &Rule::delay_ms, number(kDelayMs), "mean delay",
               {.under = {"exponential"}, .required = true})
          .add("enter", &Rule::enter, number(kShare), "probability a step of entering a slow spell",
               {.under = {"markov"}, .required = true})
          .add("leave", &Rule::leave, number(kShare), "probability a step of leaving it", {.under = {"markov"}})
          .add("every_steps", &Rule::every_steps, whole(1), "length of a period, in steps",
               {.under = {"periodic"}, .required = true})
          .add("for_steps", &Rule::for_steps, whole(1), "steps at the beginning of each period that are slow",
               {.under = {"periodic"}})
          .add(
              "phase", &Rule::phase,
              choice<Phase>({{"equal", Phase::kEqual}, {"drawn", Phase::kDrawn}, {"spread", Phase::kSpread}}),
              "where a worker's periods begin; equal: all at the first step; drawn: each at a step drawn by seed, rule "
              "and worker; spread: evenly over a period, in the order of workers",
              {.under = {"periodic"}})
          .add("from_s", &Rule::from_s, number(between(0, kLongestSeconds)), "run time at which it begins",
               {.under = {"window"}})
          .add("to_s", &Rule::to_s, number(between(0, kLongestSeconds)), "run time at which it ends",
               {.under = {"window"}, .required = true})
          .add("delay_ms", &Rule::delay_ms, number(kDelayMs), "delay of the slow steps",
               {.under = {"markov", "periodic", "window"}, .required = true})
          .add("factor", &Rule::factor, number(between(1, 1e6)), "factor of the compute time",
               {.under = {"slowdown"}, .required = true})
          .add("file", &Rule::file, text(fault_of_any, "a path"),
               "CSV of worker,step,delay_ms; workers count from 0, steps from first_step; what has no row is not slow",
               {.under = {"trace"}, .required = true})
          .add("first_step", &Rule::first_step, whole(0, 1),
               "number of a worker's first step in the file; 1 as in steps.csv", {.under = {"trace"}})
          .add("repeat", &Rule::repeat, flag(),
               "true: after its last step in the file a worker begins the file again; false: its later steps are not "
               "slow",
               {.under = {"trace"}})
          .add("on", &Rule::on, choice<Target>({{"compute", Target::kCompute}, {"network", Target::kNetwork}}),
               "what is slow: the computing, or the push",
               {.under = {"constant", "uniform", "normal", "lognormal", "pareto", "exponential", "markov", "periodic",
                          "window", "trace"}});
  return section;
}

const auto& stop_section() {
  using lead::StopConfig;
  using Plateau = StopConfig::Plateau;
  static const auto plateau =
      SectionOf<Plateau>()
          .add("smoothing", &Plateau::smoothing, number(kBelowOne), "of the moving average of |change of accuracy|")
          .add("below", &Plateau::below, number(kAccuracy), "the run ends when that average falls below");
  static const auto section =
      SectionOf<StopConfig>()
          .add("epochs", &StopConfig::epochs, optional(number(kEpochs)),
               "passes over the training samples by all workers together, counted as `samples` are")
          .add("samples", &StopConfig::samples, optional(whole(1)),
               "samples used by an update or discarded; those of a round count when it closes")
          .add("updates", &StopConfig::updates, optional(whole(1)), "updates of the model")
          .add("steps_per_worker", &StopConfig::steps_per_worker, optional(whole(1)),
               "each worker stops at it; the run ends when all have")
          .add("time_s", &StopConfig::time_s, optional(number(kSeconds)),
               "run time; what happens at it exactly is included")
          .add("target_accuracy", &StopConfig::target_accuracy, optional(number(kAccuracy)),
               "test accuracy, at the evaluations of two versions in a row")
          .add("plateau", &StopConfig::plateau, optional(map(plateau)),
               "the test accuracy has stopped changing from one evaluated version to the next");
  return section;
}

const auto& evaluate_section() {
  using lead::EvaluateConfig;
  using learn::EvaluateOn;
  static const auto section =
      SectionOf<EvaluateConfig>()
          .add("on", &EvaluateConfig::on,
               choice<EvaluateOn>({{"test", EvaluateOn::kTest}, {"validation", EvaluateOn::kValidation}}),
               "the samples that evaluations look at; validation: those that data.validation keeps back")
          .add("every_epochs", &EvaluateConfig::every_epochs, optional(number(kPeriodEpochs)),
               "period of the evaluations in epochs, which count as stop.epochs does; 0: the last model only",
               {.default_in_words = "0.25, unless another period is given"})
          .add("every_s", &EvaluateConfig::every_s, optional(number(kPeriodSeconds)),
               "period in run time; 0: the last model only")
          .add("every_updates", &EvaluateConfig::every_updates, optional(whole(0)),
               "period in updates; 0: the last model only")
          .add("target_accuracy", &EvaluateConfig::target_accuracy, number(kShare),
               "time to it is measured, the run goes on; 0: none");
  return section;
}

const auto& trace_section() {
  using lead::TraceConfig;
  static const auto section =
      SectionOf<TraceConfig>()
          .add("steps", &TraceConfig::steps, flag(), "steps.csv: a row a push")
          .add("decisions", &TraceConfig::decisions, flag(), "decisions.csv: the log that replay needs")
          .add("timeline", &TraceConfig::timeline, flag(), "timeline.json, for ui.perfetto.dev");
  return section;
}

const auto& checkpoint_section() {
  static const auto section = SectionOf<CheckpointConfig>().add(
      "every_updates", &CheckpointConfig::every_updates, whole(0), "updates from one checkpoint to the next; 0: none");
  return section;
}

}  // namespace

const SectionOf<RunConfig>& root_section() {
  static const auto section =
      SectionOf<RunConfig>()
          .add("name", &RunConfig::name, text(fault_of_name, "letters, digits, '.', '_' and '-'"),
               "begins the name of the run's folder")
          .add("seed", &RunConfig::seed, whole(0), "of every random draw")
          .add("clock", &RunConfig::clock, choice<Clock>({{"real", Clock::kReal}, {"virtual", Clock::kVirtual}}),
               "real: processes and wall time; virtual: one process and simulated time")
          .add(
              "model", [](RunConfig& run) -> RunConfig& { return run; }, map(model_section()), "")
          .add("data", &RunConfig::data, map(data_section()), "")
          .add("optimizer", &RunConfig::optimizer, map(optimizer_section()), "")
          .add("strategy", &RunConfig::strategy, map(strategy_section()), "")
          .add(
              "cluster", [](RunConfig & run) -> auto& { return run; }, map(cluster_section()), "")
          .add("stragglers", &RunConfig::stragglers, list(map(straggler_section()), {.longest = kMostRules}),
               "delays that are injected, in both worlds; several rules add up")
          .add("stop", &RunConfig::stop, map(stop_section()),
               "the run ends with the first of these, after all pushes and the evaluation of that instant; at least "
               "one is needed")
          .add("evaluate", &RunConfig::evaluate, map(evaluate_section()), "")
          .add("trace", &RunConfig::trace, map(trace_section()), "")
          .add("checkpoint", &RunConfig::checkpoint, map(checkpoint_section()), "");
  return section;
}

}  // namespace psctl::config
