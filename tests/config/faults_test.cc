#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "base/text.h"
#include "config/config.h"
#include "config/support.h"

using namespace psctl;
using namespace psctl::config;
using namespace std::string_literals;

namespace {

// A configuration that is sound and of three lines.
const std::string kSound =
    "model: {kind: mlp}\n"
    "data: {source: fashion-mnist}\n"
    "stop: {epochs: 1}\n";

struct Case {
  const char* what;
  std::string text;
  std::vector<std::string> faults;
};

const std::vector<Case> kCases = {
    {"an empty file", "", {"c.yaml: there is nothing in it"}},
    {"nothing but a comment", "# later\n", {"c.yaml: there is nothing in it"}},
    {"a word", "later\n", {"c.yaml:1:1: expected a map of keys, found 'later'"}},
    {"a list", "- model\n", {"c.yaml:1:1: expected a map of keys, found a list"}},
    {"an open bracket",
     "model: {kind: mlp\n",
     {"c.yaml:3:1: not valid YAML: end of map flow not found; is a comma or a bracket missing?"}},
    {"an open quote",
     "name: \"quick\n",
     {"c.yaml:3:1: not valid YAML: illegal document indicator in scalar; is a quote missing?"}},
    {"a second document",
     "model: {kind: mlp}\n"
     "data: {source: fashion-mnist}\n"
     "stop: {epochs: 1}\n"
     "---\n"
     "seed: 2\n",
     {"c.yaml:4:1: a second YAML document begins here; a configuration is one, with its keys in one column"}},
    {"keys in two columns",
     "  model: {kind: mlp}\n"
     "seed: 1\n",
     {"c.yaml:2:1: a second YAML document begins here; a configuration is one, with its keys in one column"}},
    {"wrong indentation",
     kSound + " seed: 2\n",
     {"c.yaml:4:2: not valid YAML: end of map not found; is the indentation right, and does every key have its ':'?"}},
    {"a colon in a text",
     kSound + "name: a: b\n",
     {"c.yaml:4:8: not valid YAML: illegal map value; is the indentation right? A text with ': ' in it needs quotes"}},
    {"a tab",
     kSound + "cluster:\n"
              "\011workers: 4\n",
     {"c.yaml:5:1: a tab; use spaces"}},
    {"a tab after a key", kSound + "seed:\0112\n", {"c.yaml:4:6: a tab; use spaces"}},
    {"a NUL",
     "model: {kind: mlp}\n"
     "data: {source: fashion-mnist}\n"
     "stop: {epochs: 1}\n"
     "name: a\000b\n"s,
     {"c.yaml:4:8: control character 0x00; remove it"}},
    {"an escape sequence",
     "model: {kind: mlp}\n"
     "data: {source: fashion-mnist}\n"
     "stop: {epochs: 1}\n"
     "name: a\033[0mb\n",
     {"c.yaml:4:8: control character 0x1b; remove it"}},
    {"bytes that are no UTF-8",
     "model: {kind: mlp}\n"
     "data: {source: fashion-mnist}\n"
     "stop: {epochs: 1}\n"
     "name: \377b\n",
     {"c.yaml:4:7: byte 0xff is not UTF-8; save the file as UTF-8"}},
    {"an overlong byte sequence",
     "model: {kind: mlp}\n"
     "data: {source: fashion-mnist}\n"
     "stop: {epochs: 1}\n"
     "name: \300\257\n",
     {"c.yaml:4:7: byte 0xc0 is not UTF-8; save the file as UTF-8"}},
    {"a byte order mark within",
     "model: {kind: mlp}\n"
     "data: {source: fashion-mnist}\n"
     "stop: {epochs: 1}\n"
     "\357\273\277seed: 2\n",
     {"c.yaml:4:1: a byte order mark within the text; remove it"}},
    {"an unknown directive",
     "%SECRET on\n"
     "---\n"
     "model: {kind: mlp}\n"
     "data: {source: fashion-mnist}\n"
     "stop: {epochs: 1}\n",
     {"c.yaml:1:1: a YAML directive that psctl does not know; remove the line"}},
    {"a tag", kSound + "seed: !!int 2\n", {"c.yaml:4:7: a YAML tag, 'tag:yaml.org,2002:int'; remove it"}},
    {"an alias that was never named",
     kSound + "seed: *other\n",
     {"c.yaml:4:7: not valid YAML: the referenced anchor is not defined"}},
    {"an alias to what contains it",
     kSound + "cluster: &c {workers: 2, network: *c}\n",
     {"c.yaml:4:35: an alias to a value that contains it; write it out"}},
    {"a key twice",
     kSound + "seed: 2\n"
              "seed: 3\n",
     {"c.yaml:5:1: key 'seed' is given twice, first at line 4; keep one"}},
    {"a key twice in a section",
     kSound + "cluster: {workers: 2, servers: 1, workers: 3}\n",
     {"c.yaml:4:35: key 'workers' is given twice, first at line 4; keep one"}},
    {"a list as a key",
     kSound + "[seed]: 2\n",
     {"c.yaml:4:1: a list or a map stands where a key is expected; is a bracket or a quote left open?"}},
    {"nothing as a key",
     kSound + "{: 2}\n",
     {"c.yaml:4:1: not valid YAML: end of map not found; is the indentation right, and does every key have its ':'?"}},
    {"a merge key",
     kSound + "<<: {seed: 2}\n",
     {"c.yaml:4:1: a YAML merge key, '<<', which psctl does not know; write the keys out"}},
    {"a slip",
     kSound + "sed: 2\n",
     {"c.yaml:4:1: unknown key 'sed'; did you mean seed? known here: name, seed, clock, model, data, optimizer, "
      "strategy, cluster, stragglers, stop, evaluate, trace and checkpoint"}},
    {"a slip in a section",
     kSound + "cluster: {wrokers: 2}\n",
     {"c.yaml:4:11: unknown key 'cluster.wrokers'; did you mean cluster.workers? known here: workers, servers, "
      "threads_per_worker, sparse_pushes, compute_ms, update_ms, network, membership, hosts, bind, start_s, stall_s "
      "and silence_s"}},
    {"a key of another section",
     kSound + "learning_rate: 0.1\n",
     {"c.yaml:4:1: unknown key 'learning_rate'; did you mean optimizer.learning_rate? known here: name, seed, clock, "
      "model, data, optimizer, strategy, cluster, stragglers, stop, evaluate, trace and checkpoint"}},
    {"a key that is like no other",
     kSound + "quux: 1\n",
     {"c.yaml:4:1: unknown key 'quux'; known here: name, seed, clock, model, data, optimizer, strategy, cluster, "
      "stragglers, stop, evaluate, trace and checkpoint"}},
    {"an unknown key in a list",
     kSound + "stragglers:\n"
              "  - {workers: all, kind: constant, delay_ms: 5, delay: 6}\n",
     {"c.yaml:5:49: unknown key 'stragglers.0.delay'; did you mean stragglers.0.delay_ms? known here: workers, kind, delay_ms and on"}},
    {"nothing that is required",
     "seed: 1\n",
     {"c.yaml:1:1: model.kind is missing; give one of logistic, mlp, cnn or none",
      "c.yaml:1:1: data.source is missing; give a known name (psctl data list), or a path",
      "c.yaml:1:1: stop: a run needs an end; give at least one of epochs, samples, updates, steps_per_worker, time_s, "
      "target_accuracy and plateau"}},
    {"no kind",
     "model: {hidden: [3]}\n"
     "data: {source: x}\n"
     "stop: {epochs: 1}\n",
     {"c.yaml:1:8: model.kind is missing; give one of logistic, mlp, cnn or none"}},
    {"no source",
     "model: {kind: mlp}\n"
     "stop: {epochs: 1}\n",
     {"c.yaml:1:1: data.source is missing; give a known name (psctl data list), or a path"}},
    {"no end",
     "model: {kind: mlp}\n"
     "data: {source: x}\n"
     "stop: {}\n",
     {"c.yaml:3:7: stop: a run needs an end; give at least one of epochs, samples, updates, steps_per_worker, time_s, "
      "target_accuracy and plateau"}},
    {"a misspelt end",
     "model: {kind: mlp}\n"
     "data: {source: x}\n"
     "stop: {epoch: 3}\n",
     {"c.yaml:3:8: unknown key 'stop.epoch'; did you mean stop.epochs? known here: epochs, samples, updates, "
      "steps_per_worker, time_s, target_accuracy and plateau"}},
    {"a layer without a kernel",
     "model: {kind: cnn, conv: [{filters: 3}]}\n"
     "data: {source: x}\n"
     "stop: {epochs: 1}\n",
     {"c.yaml:1:27: model.conv.0.kernel is missing; give a whole number, 1 to 1024"}},
    {"a strategy as tables write it",
     kSound + "strategy: ssp(staleness=4)\n",
     {"c.yaml:4:11: strategy.name: 'ssp(staleness=4)' is not known; did you mean {name: ssp, staleness: 4}? it is one of "
      "bsp, asp, ssp, dssp, psp, backup, bap, a2s, sync_switch, elastic_bsp, local_sgd, wbsp or pcp"}},
    {"a key without a blank after its colon",
     kSound + "strategy: {name:ssp}\n",
     {"c.yaml:4:12: unknown key 'strategy.name:ssp'; YAML wants a blank after a colon; known here: name"}},
    {"a misspelt kind and a key of it",
     "model: {kind: mpl, hidden: [3], hiden: 3}\n"
     "data: {source: x}\n"
     "stop: {epochs: 1}\n",
     {"c.yaml:1:15: model.kind: 'mpl' is not known; did you mean mlp? it is one of logistic, mlp, cnn or none",
      "c.yaml:1:33: unknown key 'model.hiden'; did you mean model.hidden? known here: kind, conv, hidden, save and parameters"}},
    {"a key of another model",
     "model: {kind: mlp, conv: [{filters: 3, kernel: 3}]}\n"
     "data: {source: x}\n"
     "stop: {epochs: 1}\n",
     {"c.yaml:1:20: model.conv has no effect with model.kind: mlp; it belongs to cnn: remove it, or change "
      "model.kind"}},
    {"a momentum with sgd",
     kSound + "optimizer: {kind: sgd, momentum: 0.9}\n",
     {"c.yaml:4:24: optimizer.momentum has no effect with optimizer.kind: sgd; it belongs to momentum and nesterov: "
      "remove it, or change optimizer.kind"}},
    {"a decay of adam with adagrad",
     kSound + "optimizer: {kind: adagrad, beta1: 0.9}\n",
     {"c.yaml:4:28: optimizer.beta1 has no effect with optimizer.kind: adagrad; it belongs to adam: remove it, or "
      "change optimizer.kind"}},
    {"a number of another schedule",
     kSound + "optimizer: {schedule: {kind: step, factor: 0.1, epochs: 3}}\n",
     {"c.yaml:4:49: optimizer.schedule.epochs has no effect with optimizer.schedule.kind: step; it belongs to cosine: "
      "remove it, or change optimizer.schedule.kind"}},
    {"an offset without a rule",
     kSound + "optimizer: {staleness: {offset: 1}}\n",
     {"c.yaml:4:25: optimizer.staleness.offset has no effect with optimizer.staleness.kind: none; it belongs to "
      "inverse: remove it, or change optimizer.staleness.kind"}},
    {"a decay without a mean",
     kSound + "optimizer: {staleness: {kind: dc, decay: 0.9}}\n",
     {"c.yaml:4:42: optimizer.staleness.decay: has no effect with mode: constant; remove it, or use mode: adaptive"}},
    {"delay compensation of moves",
     kSound + "optimizer: {staleness: {kind: dc}}\nstrategy: local_sgd\n",
     {"c.yaml:4:31: optimizer.staleness.kind: dc corrects gradients, but with strategy.name: local_sgd the workers "
      "take steps of their own and push by how much they moved; use another kind, or another strategy"}},
    {"one staleness of several merged gradients",
     kSound + "optimizer: {staleness: {kind: inverse}}\nstrategy: bap\n",
     {"c.yaml:4:31: optimizer.staleness.kind: inverse gives every push the weight of its own staleness, but "
      "strategy.name: bap adds pushes together before they are applied; use none, another strategy"}},
    {"one staleness of several merged moves",
     kSound + "optimizer: {staleness: {kind: inverse, offset: 1}}\nstrategy: {name: wbsp, overlap: true}\n",
     {"c.yaml:4:31: optimizer.staleness.kind: inverse gives every push the weight of its own staleness, but "
      "strategy.name: wbsp adds pushes together before they are applied; use none, another strategy, or "
      "strategy.commit: arrival"}},
    {"an optimizer that local workers do not have",
     kSound + "optimizer: {kind: adam}\nstrategy: {name: local_sgd, period: 2}\n",
     {"c.yaml:4:19: optimizer.kind: adam is not for workers that take steps of their own, as with strategy.name: "
      "local_sgd; use sgd, momentum or nesterov"}},
    {"a number of another law",
     kSound + "stragglers:\n"
              "  - {workers: [1], kind: uniform, max_ms: 5, delay_ms: 3}\n",
     {"c.yaml:5:46: stragglers.0.delay_ms has no effect with stragglers.0.kind: uniform; it belongs to constant, "
      "exponential, markov, periodic and window: remove it, or change stragglers.0.kind"}},
    {"a law without its number",
     kSound + "stragglers:\n"
              "  - {workers: [1], kind: lognormal, sigma: 1}\n",
     {"c.yaml:5:5: stragglers.0.median_ms is missing; give a number, 0 to 1000000000"}},
    {"a slowdown of the network",
     kSound + "stragglers:\n"
              "  - {workers: [1], kind: slowdown, factor: 2, on: network}\n",
     {"c.yaml:5:47: stragglers.0.on has no effect with stragglers.0.kind: slowdown; it belongs to constant, uniform, "
      "normal, lognormal, pareto, exponential, markov, periodic, window and trace: remove it, or change "
      "stragglers.0.kind"}},
    {"a word for a count",
     kSound + "cluster: {workers: four}\n",
     {"c.yaml:4:20: cluster.workers: expected a whole number, found 'four'"}},
    {"a count in quotes",
     kSound + "cluster: {workers: \"4\"}\n",
     {"c.yaml:4:20: cluster.workers: expected a whole number, found the text '4'"}},
    {"a count with an exponent",
     kSound + "cluster: {workers: 1e3}\n",
     {"c.yaml:4:20: cluster.workers: expected a whole number, found '1e3'"}},
    {"a count with a fraction",
     kSound + "cluster: {workers: 4.0}\n",
     {"c.yaml:4:20: cluster.workers: expected a whole number, found '4.0'"}},
    {"a count in hexadecimal", kSound + "seed: 0x10\n", {"c.yaml:4:7: seed: expected a whole number, found '0x10'"}},
    {"a count with a leading zero",
     kSound + "seed: 010\n",
     {"c.yaml:4:7: seed: expected a whole number, found '010'; write it without the leading 0"}},
    {"a rate with a leading zero",
     kSound + "optimizer: {learning_rate: 017}\n",
     {"c.yaml:4:28: optimizer.learning_rate: expected a number, found '017'; write it without the leading 0"}},
    {"a negative rate with a leading zero and a fraction",
     kSound + "stragglers: [{workers: all, kind: normal, mean_ms: -01.5}]\n",
     {"c.yaml:4:52: stragglers.0.mean_ms: expected a number, found '-01.5'; write it without the leading 0"}},
    {"a decimal comma",
     kSound + "optimizer:\n  learning_rate: 0,1\n",
     {"c.yaml:5:18: optimizer.learning_rate: expected a number, found '0,1'; write it with a decimal point, and "
      "without marks between thousands"}},
    {"a count with a plus", kSound + "seed: +1\n", {"c.yaml:4:7: seed: expected a whole number, found '+1'"}},
    {"a negative count",
     kSound + "cluster: {workers: -1}\n",
     {"c.yaml:4:20: cluster.workers: '-1' is out of range; allowed: 1 to 65536"}},
    {"a count that is too large",
     kSound + "seed: 18446744073709551616\n",
     {"c.yaml:4:7: seed: '18446744073709551616' does not fit into 64 bits"}},
    {"a number in words",
     kSound + "optimizer: {learning_rate: high}\n",
     {"c.yaml:4:28: optimizer.learning_rate: expected a number, found 'high'"}},
    {"not a number",
     kSound + "optimizer: {learning_rate: nan}\n",
     {"c.yaml:4:28: optimizer.learning_rate: expected a number, found 'nan'"}},
    {"yaml's not a number",
     kSound + "optimizer: {learning_rate: .nan}\n",
     {"c.yaml:4:28: optimizer.learning_rate: expected a number, found '.nan'"}},
    {"infinity",
     kSound + "cluster: {update_ms: inf}\n",
     {"c.yaml:4:22: cluster.update_ms: expected a number, found 'inf'"}},
    {"yaml's infinity",
     kSound + "cluster: {update_ms: -.inf}\n",
     {"c.yaml:4:22: cluster.update_ms: expected a number, found '-.inf'"}},
    {"a number beyond doubles",
     kSound + "cluster: {update_ms: 1e999}\n",
     {"c.yaml:4:22: cluster.update_ms: '1e999' does not fit into a double"}},
    {"a number below doubles",
     kSound + "optimizer: {learning_rate: 1e-999}\n",
     {"c.yaml:4:28: optimizer.learning_rate: '1e-999' does not fit into a double"}},
    {"a number with two points",
     kSound + "optimizer: {learning_rate: 0.1.2}\n",
     {"c.yaml:4:28: optimizer.learning_rate: expected a number, found '0.1.2'"}},
    {"a number in hexadecimal",
     kSound + "cluster: {update_ms: 0x1p3}\n",
     {"c.yaml:4:22: cluster.update_ms: expected a number, found '0x1p3'"}},
    {"a list for a number",
     kSound + "optimizer: {learning_rate: [0.1]}\n",
     {"c.yaml:4:28: optimizer.learning_rate: expected a number, found a list"}},
    {"a map for a count",
     kSound + "cluster: {workers: {count: 3}}\n",
     {"c.yaml:4:20: cluster.workers: expected a whole number, found a map"}},
    {"yes for true",
     kSound + "trace: {steps: yes}\n",
     {"c.yaml:4:16: trace.steps: expected true or false, found 'yes'"}},
    {"a number for a flag",
     kSound + "trace: {steps: 1}\n",
     {"c.yaml:4:16: trace.steps: expected true or false, found '1'"}},
    {"a list for a section", kSound + "cluster: [4]\n", {"c.yaml:4:10: cluster: expected a map of keys, found a list"}},
    {"a word for a section",
     kSound + "cluster: four\n",
     {"c.yaml:4:10: cluster: expected a map of keys, found 'four'"}},
    {"a map for a list",
     kSound + "stragglers: {workers: all}\n",
     {"c.yaml:4:13: stragglers: expected a list, found a map"}},
    {"a number for a list of maps",
     kSound + "stragglers: [4]\n",
     {"c.yaml:4:14: stragglers.0: expected a map of keys, found '4'"}},
    {"a word for the workers of a rule",
     kSound + "stragglers:\n"
              "  - {workers: everyone, kind: constant, delay_ms: 1}\n",
     {"c.yaml:5:15: stragglers.0.workers: expected all or a list, found 'everyone'"}},
    {"a list for a text", kSound + "name: [a]\n", {"c.yaml:4:7: name: expected a text, found a list"}},
    {"a list for a choice", kSound + "clock: [real]\n", {"c.yaml:4:8: clock: expected real or virtual, found a list"}},
    {"a choice in the wrong case",
     kSound + "clock: Virtual\n",
     {"c.yaml:4:8: clock: 'Virtual' is not known; did you mean virtual? it is one of real or virtual"}},
    {"a choice that is like no other",
     kSound + "clock: 7\n",
     {"c.yaml:4:8: clock: '7' is not known; it is one of real or virtual"}},
    {"no value", kSound + "seed:\n", {"c.yaml:4:1: seed has no value; give one or remove it"}},
    {"nothing for a section",
     kSound + "cluster:\n"
              "trace: ~\n",
     {"c.yaml:4:1: cluster has no value; give one or remove it",
      "c.yaml:5:1: trace has no value; give one or remove it"}},
    {"null", kSound + "name: null\n", {"c.yaml:4:1: name has no value; give one or remove it"}},
    {"nothing in a list",
     kSound + "cluster: {compute_ms: [1, , 2, 3]}\n",
     {"c.yaml:4:27: cluster.compute_ms.1 has no value; give one or remove it"}},
    {"a text with nothing in it",
     kSound + "name: \"\"\n",
     {"c.yaml:4:7: name: '' is empty; give a text or remove the key"}},
    {"a control character by escape",
     kSound + "name: \"a\\u0007b\"\n",
     {"c.yaml:4:7: name: 'a\\x07b' has a control character in it; remove it"}},
    {"a name that is a path",
     kSound + "name: ../other\n",
     {"c.yaml:4:7: name: '../other' cannot name a folder; use letters, digits, '.', '_' and '-', and begin with a "
      "letter or digit"}},
    {"no workers",
     kSound + "cluster: {workers: 0}\n",
     {"c.yaml:4:20: cluster.workers: '0' is out of range; allowed: 1 to 65536"}},
    {"more workers than processes",
     kSound + "cluster: {workers: 1000}\n",
     {"c.yaml:4:20: cluster.workers: 1000 are more than a real run starts, at most 512; use clock: virtual"}},
    {"more workers than there are numbers",
     kSound + "cluster: {workers: 65537}\n",
     {"c.yaml:4:20: cluster.workers: '65537' is out of range; allowed: 1 to 65536"}},
    {"no servers",
     kSound + "cluster: {servers: 0}\n",
     {"c.yaml:4:20: cluster.servers: '0' is out of range; allowed: 1 to 512"}},
    {"an accuracy above 1",
     kSound + "evaluate: {target_accuracy: 1.5}\n",
     {"c.yaml:4:29: evaluate.target_accuracy: '1.5' is out of range; allowed: 0 to 1"}},
    {"an empty batch",
     "model: {kind: mlp}\n"
     "data: {source: x, batch_size: 0}\n"
     "stop: {epochs: 1}\n",
     {"c.yaml:2:31: data.batch_size: '0' is out of range; allowed: 1 to 16777216"}},
    {"a rate of 0",
     kSound + "optimizer: {learning_rate: 0}\n",
     {"c.yaml:4:28: optimizer.learning_rate: '0' is out of range; allowed: above 0, at most 1000000"}},
    {"a momentum of 1",
     kSound + "optimizer: {kind: momentum, momentum: 1}\n",
     {"c.yaml:4:39: optimizer.momentum: '1' is out of range; allowed: 0 to less than 1"}},
    {"a negative delay",
     kSound + "stragglers:\n"
              "  - {workers: all, kind: constant, delay_ms: -5}\n",
     {"c.yaml:5:46: stragglers.0.delay_ms: '-5' is out of range; allowed: 0 to 1000000000"}},
    {"a probability above 1",
     kSound + "stragglers:\n"
              "  - {workers: all, kind: markov, enter: 1.5, delay_ms: 5}\n",
     {"c.yaml:5:41: stragglers.0.enter: '1.5' is out of range; allowed: 0 to 1"}},
    {"a step that takes no time",
     kSound + "cluster: {compute_ms: 0}\n",
     {"c.yaml:4:23: cluster.compute_ms: '0' is out of range; allowed: 1e-06 to 1000000000"}},
    {"a step of one worker that takes no time",
     kSound + "cluster: {workers: 2, compute_ms: [20, 0]}\n",
     {"c.yaml:4:40: cluster.compute_ms.1: '0' is out of range; allowed: 1e-06 to 1000000000"}},
    {"a bandwidth below any use",
     kSound + "cluster: {network: {bandwidth_mbps: 0.00001}}\n",
     {"c.yaml:4:37: cluster.network.bandwidth_mbps: '0.00001' is out of range; allowed: 0, or 0.001 to 1000000000"}},
    {"a network without hidden layers",
     "model: {kind: mlp, hidden: []}\n"
     "data: {source: x}\n"
     "stop: {epochs: 1}\n",
     {"c.yaml:1:28: model.hidden: 0 elements; allowed: at least 1"}},
    {"a rule for nobody",
     kSound + "stragglers:\n"
              "  - {workers: [], kind: constant, delay_ms: 5}\n",
     {"c.yaml:5:15: stragglers.0.workers: 0 elements; allowed: at least 1"}},
    {"no epochs",
     "model: {kind: mlp}\n"
     "data: {source: x}\n"
     "stop: {epochs: 0}\n",
     {"c.yaml:3:16: stop.epochs: '0' is out of range; allowed: above 0, at most 1000000"}},
    {"an accuracy in percent",
     "model: {kind: mlp}\n"
     "data: {source: x}\n"
     "stop: {target_accuracy: 85}\n",
     {"c.yaml:3:25: stop.target_accuracy: '85' is out of range; allowed: above 0, at most 1"}},
    {"a straggler that is not there",
     kSound + "stragglers:\n"
              "  - {workers: [3, 4], kind: constant, delay_ms: 5}\n",
     {"c.yaml:5:19: stragglers.0.workers.1: there is no worker 4; cluster.workers: 4 are counted from 0"}},
    {"a straggler twice",
     kSound + "stragglers:\n"
              "  - {workers: [3, 1, 3], kind: constant, delay_ms: 5}\n",
     {"c.yaml:5:22: stragglers.0.workers.2: worker 3 is named twice; keep one"}},
    {"a member that is not there",
     kSound + "cluster: {workers: 2, membership: [{worker: 2, leave_s: 3}]}\n",
     {"c.yaml:4:45: cluster.membership.0.worker: there is no worker 2; cluster.workers: 2 are counted from 0"}},
    {"a member twice",
     kSound + "cluster: {membership: [{worker: 2, leave_s: 3}, {worker: 2, join_s: 1}]}\n",
     {"c.yaml:4:58: cluster.membership.1.worker: worker 2 has its entry in cluster.membership.0; put both into one"}},
    {"a member that leaves before it joins",
     kSound + "cluster: {membership: [{worker: 2, join_s: 3, leave_s: 3}]}\n",
     {"c.yaml:4:56: cluster.membership.0.leave_s: 3 is not after join_s: 3"}},
    {"a member that leaves at a step before it joins",
     kSound + "cluster: {membership: [{worker: 2, join_step: 9, leave_step: 3}]}\n",
     {"c.yaml:4:62: cluster.membership.0.leave_step: 3 is not after join_step: 9"}},
    {"a member with two times to join",
     kSound + "cluster: {membership: [{worker: 2, join_step: 9, join_s: 3}]}\n",
     {"c.yaml:4:47: cluster.membership.0.join_step: join_s is given too; keep one of them"}},
    {"a member with two times to leave",
     kSound + "cluster: {membership: [{worker: 2, leave_step: 9, leave_s: 3}]}\n",
     {"c.yaml:4:48: cluster.membership.0.leave_step: leave_s is given too; keep one of them"}},
    {"a member that neither joins nor leaves",
     kSound + "cluster: {membership: [{worker: 2}]}\n",
     {"c.yaml:4:24: cluster.membership.0: says neither when the worker joins nor when it leaves; give one, or remove "
      "the entry"}},
    {"nobody at the start",
     kSound + "cluster: {workers: 2, membership: [{worker: 0, join_s: 1}, {worker: 1, join_s: 1}]}\n",
     {"c.yaml:4:35: cluster.membership: every worker joins later: nobody is there at the start"}},
    {"too few step times",
     kSound + "cluster: {compute_ms: [20, 30]}\n",
     {"c.yaml:4:23: cluster.compute_ms: 2 numbers for 4 workers; give one number for all, or one a worker"}},
    {"hosts and servers that do not match",
     kSound + "cluster: {servers: 2, hosts: [\"localhost:1\"]}\n",
     {"c.yaml:4:30: cluster.hosts: 1 hosts for 2 servers; give one a server"}},
    {"a host twice",
     kSound + "cluster: {servers: 2, hosts: [\"[::1]:1\", \"[::1]:1\"]}\n",
     {"c.yaml:4:42: cluster.hosts.1: '[::1]:1' is given twice; each server needs its own"}},
    {"a host without a port",
     kSound + "cluster: {hosts: [node1]}\n",
     {"c.yaml:4:19: cluster.hosts.0: 'node1' is not HOST:PORT, as in node1:9000 or [::1]:9000"}},
    {"a host beyond loopback without an address to listen on",
     kSound + "cluster: {hosts: [\"node1:9000\"]}\n",
     {"c.yaml:4:19: cluster.hosts.0: 'node1:9000' is beyond loopback; give cluster.bind, the address of this machine "
      "that "
      "the servers listen on, or use localhost"}},
    {"an address to listen on with a port",
     kSound + "cluster: {hosts: [\"localhost:1\"], bind: \"0.0.0.0:1\"}\n",
     {"c.yaml:4:41: cluster.bind: '0.0.0.0:1' is no address without a port, as in 0.0.0.0 or [::]"}},
    {"bandwidths of transfers that carry nothing",
     "model: {kind: none}\n"
     "clock: virtual\n"
     "cluster: {network: {latency_ms: 1, bandwidth_mbps: 10, server_bandwidth_mbps: 20}}\n"
     "stop: {updates: 1}\n",
     {"c.yaml:3:52: cluster.network.bandwidth_mbps: has no effect with model.kind: none, whose transfers carry "
      "nothing; "
      "give model.parameters, the size of the model, or remove it",
      "c.yaml:3:79: cluster.network.server_bandwidth_mbps: has no effect with model.kind: none, whose transfers carry "
      "nothing; give model.parameters, the size of the model, or remove it"}},
    {"an address to listen on without hosts",
     kSound + "cluster: {bind: 0.0.0.0}\n",
     {"c.yaml:4:17: cluster.bind: has no effect without cluster.hosts; remove it, or give the hosts"}},
    {"a uniform law upside down",
     kSound + "stragglers:\n"
              "  - {workers: all, kind: uniform, min_ms: 9, max_ms: 5}\n",
     {"c.yaml:5:43: stragglers.0.min_ms: 9 is more than max_ms: 5"}},
    {"a window that ends before it begins",
     kSound + "stragglers:\n"
              "  - {workers: all, kind: window, from_s: 9, to_s: 9, delay_ms: 1}\n",
     {"c.yaml:5:51: stragglers.0.to_s: 9 is not after from_s: 9"}},
    {"a period that is shorter than its slow part",
     kSound + "stragglers:\n"
              "  - {workers: all, kind: periodic, every_steps: 3, for_steps: 4, delay_ms: 1}\n",
     {"c.yaml:5:63: stragglers.0.for_steps: 4 is more than every_steps: 3"}},
    {"two periods of evaluation",
     kSound + "evaluate: {every_epochs: 1, every_updates: 10}\n",
     {"c.yaml:4:44: evaluate.every_updates: every_epochs is given too; keep one of them"}},
    {"two targets",
     "model: {kind: mlp}\n"
     "data: {source: x}\n"
     "stop: {target_accuracy: 0.9}\n"
     "evaluate: {target_accuracy: 0.8}\n",
     {"c.yaml:4:29: evaluate.target_accuracy: differs from stop.target_accuracy: 0.9, which is measured too; keep one "
      "of "
      "them"}},
    {"a target without evaluations",
     "model: {kind: mlp}\n"
     "data: {source: x}\n"
     "stop: {target_accuracy: 0.8}\n"
     "evaluate: {every_epochs: 0}\n",
     {"c.yaml:3:25: stop.target_accuracy: needs evaluations during the run; give evaluate a period above 0"}},
    {"a plateau without evaluations",
     "model: {kind: mlp}\n"
     "data: {source: x}\n"
     "stop: {plateau: {}}\n"
     "evaluate: {every_s: 0}\n",
     {"c.yaml:3:17: stop.plateau: needs evaluations during the run; give evaluate a period above 0"}},
    {"a warm-up longer than the schedule",
     kSound + "optimizer: {schedule: {kind: cosine, epochs: 3, warmup_epochs: 3}}\n",
     {"c.yaml:4:64: optimizer.schedule.warmup_epochs: 3 is not before the end of the schedule, epochs: 3"}},
    {"timing only in real time",
     "model: {kind: none}\n"
     "stop: {updates: 1}\n",
     {"c.yaml:1:15: model.kind: none is timing only and has no real run; use clock: virtual, or a model"}},
    {"epochs without data",
     "model: {kind: none}\n"
     "clock: virtual\n"
     "stop: {epochs: 1}\n",
     {"c.yaml:3:16: stop.epochs: there are no epochs with model.kind: none; use steps_per_worker, updates or time_s"}},
    {"accuracy without a model",
     "model: {kind: none}\n"
     "clock: virtual\n"
     "stop: {target_accuracy: 0.8, plateau: {}}\n",
     {"c.yaml:3:25: stop.target_accuracy: there is no accuracy with model.kind: none; remove it",
      "c.yaml:3:39: stop.plateau: there is no accuracy with model.kind: none; remove it"}},
    {"a checkpoint of nothing",
     "model: {kind: none}\n"
     "clock: virtual\n"
     "stop: {updates: 1}\n"
     "checkpoint: {every_updates: 5}\n",
     {"c.yaml:4:29: checkpoint.every_updates: has no effect with model.kind: none: there is no model to keep; remove "
      "it"}},
    {"a parameter without the flag that it needs",
     kSound + "strategy: {name: wbsp, rebase: reapply}\n",
     {"c.yaml:4:32: strategy.rebase: has no effect without overlap: true; add that, or remove it"}},
    {"a parameter without the word that it needs",
     kSound + "strategy: {name: sync_switch, detect_window: 3}\n",
     {"c.yaml:4:46: strategy.detect_window: has no effect with straggler_policy: none; use another, or remove it"}},
    {"a parameter beside the one that takes its place",
     kSound + "strategy: {name: sync_switch, bsp_share: 0.5, switch_epoch: 2}\n",
     {"c.yaml:4:42: strategy.bsp_share: has no effect beside switch_epoch; keep one of them"}},
    {"an ignored section with faults",
     "model: {kind: none}\n"
     "clock: virtual\n"
     "stop: {updates: 1}\n"
     "optimizer: {kind: sgdd}\n"
     "data: {batch_size: 0}\n"
     "evaluate: {every_s: 1, every_epochs: 1}\n",
     {"c.yaml:4:19: optimizer.kind: 'sgdd' is not known; did you mean sgd? it is one of sgd, momentum, nesterov, "
      "adagrad or adam",
      "c.yaml:5:20: data.batch_size: '0' is out of range; allowed: 1 to 16777216",
      "c.yaml:6:21: evaluate.every_s: every_epochs is given too; keep one of them"}},
};

std::vector<std::string> strategies_with(const std::string& parameter) {
  std::vector<std::string> names;
  for (const sync::Entry& entry : sync::entries()) {
    if (std::ranges::find(entry.parameters, parameter, &sync::Parameter::name) != entry.parameters.end()) {
      names.push_back(entry.name);
    }
  }
  return names;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(faults)

BOOST_AUTO_TEST_CASE(every_fault_is_told_with_its_place_what_was_seen_and_what_is_allowed) {
  for (const Case& each : kCases) {
    BOOST_TEST_CONTEXT(each.what) { BOOST_TEST(faults_of(each.text) == each.faults, boost::test_tools::per_element()); }
  }
}

BOOST_AUTO_TEST_CASE(all_faults_of_a_file_are_told_at_once_in_its_order_and_then_those_of_the_overrides) {
  const std::string text =
      "nmae: x\n"
      "seed: -1\n"
      "model: {kind: mlp}\n"
      "cluster: {workers: 3, compute_ms: [1, 2], membership: [{worker: 9, leave_s: 1}]}\n"
      "optimizer:\n"
      "  learning_rate: nan\n"
      "stragglers:\n"
      "  - {workers: [5], kind: uniform, min_ms: 6, max_ms: 2}\n"
      "stop: {epochs: 0, time_s: 5}\n"
      "stop: {epochs: 1}\n";
  const std::vector<std::string> expected = {
      "c.yaml:1:1: unknown key 'nmae'; did you mean name? known here: name, seed, clock, model, data, optimizer, "
      "strategy, cluster, stragglers, stop, evaluate, trace and checkpoint",
      "c.yaml:1:1: data.source is missing; give a known name (psctl data list), or a path",
      "c.yaml:2:7: seed: '-1' is out of range; allowed: at least 0",
      "c.yaml:4:35: cluster.compute_ms: 2 numbers for 3 workers; give one number for all, or one a worker",
      "c.yaml:4:65: cluster.membership.0.worker: there is no worker 9; cluster.workers: 3 are counted from 0",
      "c.yaml:6:18: optimizer.learning_rate: expected a number, found 'nan'",
      "c.yaml:8:16: stragglers.0.workers.0: there is no worker 5; cluster.workers: 3 are counted from 0",
      "c.yaml:8:43: stragglers.0.min_ms: 6 is more than max_ms: 2",
      "c.yaml:9:16: stop.epochs: '0' is out of range; allowed: above 0, at most 1000000",
      "c.yaml:10:1: key 'stop' is given twice, first at line 9; keep one",
      "override 'trace.steps=maybe': trace.steps: expected true or false, found 'maybe'",
      "override 'checkpoint': this is no override; KEY=VALUE changes a key, +KEY=VALUE adds to a list, ~KEY removes a "
      "key"};
  BOOST_TEST(faults_of(text, {"trace.steps=maybe", "checkpoint"}) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_thrown_says_every_fault_on_a_line_of_its_own) {
  try {
    load_text("seed: x\nclock: y\n", "c.yaml");
    BOOST_FAIL("accepted");
  } catch (const ConfigError& error) {
    std::string lines;
    for (const std::string& fault : error.faults()) lines += (lines.empty() ? "" : "\n") + fault;
    BOOST_TEST(error.faults().size() == 5);
    BOOST_TEST(error.what() == lines);
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_ignored_in_the_strategy_section) {
  BOOST_TEST(
      faults_of(kSound + "strategy: {name: bsp, staleness: 3}\n") ==
          std::vector<std::string>{"c.yaml:4:23: strategy.staleness has no effect with strategy.name: bsp; it "
                                   "belongs to " +
                                   enumerate(strategies_with("staleness")) + ": remove it, or change strategy.name"},
      boost::test_tools::per_element());
  std::vector<std::string> names;
  for (const sync::Entry& entry : sync::entries()) names.push_back(entry.name);
  const std::string known = "it is one of " + enumerate(names, "or");
  BOOST_TEST(
      faults_of(kSound + "strategy: spss\n") ==
          std::vector<std::string>{"c.yaml:4:11: strategy.name: 'spss' is not known; did you mean ssp? " + known},
      boost::test_tools::per_element());
  BOOST_TEST(
      faults_of(kSound + "strategy: {name: [ssp]}\n") ==
          std::vector<std::string>{"c.yaml:4:18: strategy.name: expected " + enumerate(names, "or") + ", found a list"},
      boost::test_tools::per_element());
  BOOST_TEST(faults_of(kSound + "strategy: {name: ssp, staleness: -1, apply: late}\n") ==
                 (std::vector<std::string>{
                     "c.yaml:4:34: strategy.staleness: '-1' is out of range; allowed: 0 to 1000000000",
                     "c.yaml:4:45: strategy.apply: 'late' is not known; it is one of on_arrival or on_release"}),
             boost::test_tools::per_element());
  BOOST_TEST(faults_of(kSound + "strategy: {name: ssp, staleness: 3.5, aply: on_release}\n") ==
                 (std::vector<std::string>{
                     "c.yaml:4:34: strategy.staleness: expected a whole number, found '3.5'",
                     "c.yaml:4:39: unknown key 'strategy.aply'; did you mean strategy.apply? known here: name, "
                     "staleness, apply and update_scale"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(partitions_are_honoured_exactly_or_refused) {
  const std::string head = "model: {kind: mlp}\nstop: {epochs: 1}\ncluster: {workers: 3}\n";
  const auto check = [&](const std::string& partition, const std::vector<std::string>& expected) {
    BOOST_TEST_CONTEXT(partition) {
      BOOST_TEST(faults_of(head + "data: {source: x, partition: {" + partition + "}}\n") == expected,
                 boost::test_tools::per_element());
    }
  };
  check("kind: by_label, shards: 3", {});
  check("kind: dirichlet, alpha: 0.1", {});
  check("kind: quantity, law: equal", {});
  check("kind: quantity, law: power, exponent: 0", {});
  check("kind: quantity, sizes: [1, 2, 4]", {});
  check("kind: by_labels",
        {"c.yaml:4:37: data.partition.kind: 'by_labels' is not known; did you mean by_label? it is one of iid, "
         "by_label, dirichlet or quantity"});
  check("kind: by_label, shards: 0",
        {"c.yaml:4:55: data.partition.shards: '0' is out of range; allowed: 1 to 1048576"});
  check("kind: dirichlet, alpha: 0",
        {"c.yaml:4:55: data.partition.alpha: '0' is out of range; allowed: 1e-06 to 1000000"});
  check("kind: quantity, law: powr",
        {"c.yaml:4:52: data.partition.law: 'powr' is not known; did you mean power? it is one of equal or power"});
  check("kind: quantity, law: power, exponent: -1",
        {"c.yaml:4:69: data.partition.exponent: '-1' is out of range; allowed: 0 to 10"});
  check("kind: quantity, sizes: [1, 0, 4]",
        {"c.yaml:4:58: data.partition.sizes.1: '0' is out of range; allowed: 1e-09 to 1000000000"});
  check("kind: quantity, sizes: 4", {"c.yaml:4:54: data.partition.sizes: expected a list, found '4'"});
  // Keys that do not go together.
  check("alpha: 0.1",
        {"c.yaml:4:31: data.partition.alpha has no effect with data.partition.kind: iid; it belongs to dirichlet: "
         "remove it, or change data.partition.kind"});
  check("kind: quantity, sizes: [1, 2]",
        {"c.yaml:4:54: data.partition.sizes: 2 numbers for 3 workers; give one a worker"});
  check("kind: quantity, sizes: [1, 2, 4], law: equal",
        {"c.yaml:4:70: data.partition.law: sizes are given too; keep one of them"});
  check("kind: quantity, exponent: 2",
        {"c.yaml:4:57: data.partition.exponent: has no effect without law: power; add that, or remove it"});
  check("kind: quantity, law: equal, exponent: 2",
        {"c.yaml:4:69: data.partition.exponent: has no effect without law: power; add that, or remove it"});
  check("kind: quantity, law: powr, exponent: 2, sizes: [1, 2, 4]",
        {"c.yaml:4:52: data.partition.law: 'powr' is not known; did you mean power? it is one of equal or power"});
  // Nobody can be said to be missing.
  BOOST_TEST(faults_of(head + "data: {source: x, partition: {kind: quantity, sizes: [1, 2]}}\n", {"cluster.workers=x"})
                 .size() == 1);
}

BOOST_AUTO_TEST_CASE(what_is_said_of_the_data_is_honoured_exactly_or_refused) {
  const std::string head = "model: {kind: mlp}\nstop: {epochs: 1}\n";
  const auto check = [&](const std::string& data, const std::vector<std::string>& expected) {
    BOOST_TEST_CONTEXT(data) {
      BOOST_TEST(faults_of(head + "data: {" + data + "}\n") == expected, boost::test_tools::per_element());
    }
  };
  check("source: [a.csv, b.csv], test: c.csv, validation: 100, split: stratified", {});
  check("source: a, test: [3, 4]", {});  // files of these names
  check("source: a, import: {shape: 28x28, delimiter: tab, first_index: 0, missing: mean, labels: b}", {});
  check("source: a, normalize: max_abs, one_vs_rest: 3, augment: {crop: 4, flip: horizontal}", {});
  check("source: a, normalize: {per: feature}", {});
  check("source: []", {"c.yaml:3:16: data.source: 0 elements; allowed: at least 1"});
  check("source: {a: b}", {"c.yaml:3:16: data.source: expected a text or a list, found a map"});
  check("source: a, test: 0.2", {"c.yaml:3:25: data.test: expected a whole number, found '0.2'"});
  check("source: a, test: -1", {"c.yaml:3:25: data.test: '-1' is out of range; allowed: at least 0"});
  check("source: a, test: ''", {"c.yaml:3:25: data.test: '' is empty; give a text or remove the key"});
  check("source: a, import: {shape: 28x0}",
        {"c.yaml:3:35: data.import.shape: expected CHANNELSxHEIGHTxWIDTH, found '28x0'"});
  check("source: a, import: {delimiter: ','}",
        {"c.yaml:3:39: data.import.delimiter: ',' is not known; it is one of comma, tab, semicolon, bar or space"});
  check("source: a, import: {first_index: 2}",
        {"c.yaml:3:41: data.import.first_index: '2' is not known; did you mean 0? it is one of 0 or 1"});
  check("source: a, normalize: {kind: none, per: feature}",
        {"c.yaml:3:43: data.normalize.per has no effect with data.normalize.kind: none; it belongs to auto, unit, "
         "standard and max_abs: remove it, or change data.normalize.kind"});
  check("source: a, augment: {crop: 2000}",
        {"c.yaml:3:35: data.augment.crop: '2000' is out of range; allowed: 0 to 1024"});
  check("source: a, split: ordered",
        {"c.yaml:3:26: data.split: has no effect, as no training samples are taken out; give data.test, "
         "data.validation or data.train_limit a number of samples, or remove it"});
}

BOOST_AUTO_TEST_CASE(a_fault_in_one_place_does_not_hide_or_invent_faults_in_another) {
  // The number of workers is not known, so that nobody can be said to be missing.
  BOOST_TEST(faults_of(kSound + "cluster: {workers: x, compute_ms: [1, 2]}\n"
                                "stragglers:\n  - {workers: [7], kind: constant, delay_ms: 1}\n") ==
                 std::vector<std::string>{"c.yaml:4:20: cluster.workers: expected a whole number, found 'x'"},
             boost::test_tools::per_element());
  // The kind is not known, so that no key can be said to have no effect.
  BOOST_TEST(faults_of(kSound + "optimizer: {kind: momentun, momentum: 0.9, beta1: 7}\n").size() == 1);
  // What does not fit together is told beside what cannot be read.
  BOOST_TEST(
      faults_of("model: {kind: none}\nstop: {epochs: 1}\n"
                "cluster: {workers: 1000, membership: [{worker: 1000, join_s: 2, leave_s: 1, join_step: x}]}\n") ==
          (std::vector<std::string>{
              "c.yaml:1:15: model.kind: none is timing only and has no real run; use clock: virtual, or a model",
              "c.yaml:2:16: stop.epochs: there are no epochs with model.kind: none; use steps_per_worker, updates "
              "or time_s",
              "c.yaml:3:20: cluster.workers: 1000 are more than a real run starts, at most 512; use clock: virtual",
              "c.yaml:3:48: cluster.membership.0.worker: there is no worker 1000; cluster.workers: 1000 are "
              "counted from 0",
              "c.yaml:3:74: cluster.membership.0.leave_s: 1 is not after join_s: 2",
              "c.yaml:3:88: cluster.membership.0.join_step: expected a whole number, found 'x'",
              "c.yaml:3:88: cluster.membership.0.join_step: join_s is given too; keep one of them"}),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_million_faults_do_not_make_a_million_messages) {
  std::string text = kSound + "cluster: {compute_ms: [x";
  for (int i = 1; i < 60'000; ++i) text += ", x";
  const auto faults = faults_of(text + "]}\n");
  BOOST_TEST(faults.size() == 1001);
  BOOST_TEST(faults.back() == "c.yaml: and 59000 more faults");
}

BOOST_AUTO_TEST_CASE(foreign_text_in_a_message_is_short_and_harmless) {
  const auto faults = faults_of(kSound + "seed: \"" + std::string(5000, 'x') + "\"\nclock: \"\\e[31m\\0\"\n");
  BOOST_REQUIRE(faults.size() == 2);
  BOOST_TEST(faults[0].size() < 200);
  BOOST_TEST(faults[1] == "c.yaml:5:8: clock: '\\x1b[31m\\x00' is not known; it is one of real or virtual");
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_is_told_by_its_name) {
  const auto fault = [](const std::string& path) {
    try {
      load_file(path);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  BOOST_TEST(fault("/no/such/file.yaml") == "/no/such/file.yaml: there is no such file");
  BOOST_TEST(fault("/tmp") == "/tmp: this is a folder; name a file");
  BOOST_TEST(fault("/dev/zero") == "/dev/zero: larger than 1 MiB: this is no configuration");
  BOOST_TEST(fault("/dev/null") == "/dev/null: there is nothing in it");
}

BOOST_AUTO_TEST_SUITE_END()
