// What a server offers to workers, to the evaluation process and to the lead server. Times are whole nanoseconds; a
// clock reading never crosses the wire. Tensors are little-endian floats, the whole range of that server or nothing. A
// push of coordinates has in its tensor's place, 8 bytes each, a u32 index into the whole model and a float, by
// ascending index, and none of them where nothing in that server's range is touched.
// Kinds travel as i32, which is what Thrift makes of an enum: so one that nobody knows is a number that can be checked.
namespace cpp psctl.rpc.wire

// ---- every connection begins with this: both ends say which run they are of, and each refuses the other if it differs

enum Role {
  WATCHER = 0                       // asks how far the run is
  WORKER = 1
  EVALUATOR = 2
  LEAD = 3                          // the lead server, of a shard
}

struct Hello {
  1: required i32 protocol
  2: i32 role                       // a Role, of the client
  3: i32 worker                     // of WORKER
  4: string run                     // the run's id
  5: string configuration           // digest of what the processes of a run must agree on
  6: string data                    // digest of the data set
  7: string proof                   // that the sender knows the token of the run
}

// ---- a worker and the lead server

struct StepRequest {
  1: required i32 worker
  2: required i64 push              // this worker's pushes so far, this one included; 0: it only asks
  3: required i64 steps             // mini-batches in the push
  4: required i64 samples
  5: required bool again            // asks again after HELD: nothing new comes with it
  6: required bool empty            // given up at the limit: no tensor
  7: required bool final            // the worker will not push again
  8: required i64 compute_ns
  9: required i64 delay_ns
  10: required i64 download_ns      // of the model that was last taken
  11: required double loss          // mean over the samples
  12: i64 upload_ns                 // what the push took before this request: injected network delay, pieces
  13: i64 overlapped                // mini-batches taken while the answer to the last push was on its way
  14: i64 lost                      // of those, thrown away by the refresh
  15: i64 hidden_push_ns            // of the exchange before: how much of it the worker computed through
  16: i64 hidden_wait_ns
  17: i64 hidden_pull_ns
  18: optional i64 coordinates      // of a push of coordinates: how many, on all servers together
  19: i64 data_ns                   // waited for mini-batches that were not assembled yet
}

enum ReplyKind {
  RELEASE = 1                       // go on
  HELD = 2                          // not yet: ask again
  STOP = 3                          // the run is over
}

struct ReplyHeader {
  1: required i32 kind              // a ReplyKind
  2: required i64 version           // of the model that was released
  3: required i64 sequence          // of the release in the lead's order
  4: required bool refresh          // take that model, or keep the one at hand
  5: required i64 local_steps       // mini-batches to the next push; 0: push as soon as there is one
  6: required i64 overlap_steps     // most to take while that push is on its way
  7: required i64 limit_ns          // give the step up after this long; 0: never
  8: required i64 schedule_samples  // of local workers: samples before the next step, in the schedule
  13: required i64 samples_per_step // and how many one step of theirs advances it
  9: required i64 receive_ns        // from the first byte of the request to its last
  10: required i64 hold_ns          // from there to the first byte of this reply
  12: i64 since_release_ns          // of RELEASE: from the decision to the first byte of this reply
  11: required list<i32> held_by    // of HELD: the workers it waits for
}

struct Reply {
  1: required ReplyHeader header
  2: binary tensor                  // the model, or nothing
}

// ---- a worker and the servers of rank 1 and above

struct PieceRequest {
  1: required i32 worker
  2: required i64 push              // the number that StepRequest will have
  3: optional i64 coordinates       // as StepRequest will have it
}

struct PieceReply {
  1: required i64 receive_ns
}

struct PullRequest {
  3: required i64 version
  4: required i64 sequence          // of the release, or of the look
}

// ---- seldom

struct JoinRequest {
  2: required string host
  3: required i64 process
  4: required i64 parameters        // of the whole model, as the worker built it
}

struct JoinReply {
  1: required i32 rank
  2: required i32 servers
  3: required i64 parameters        // of the whole model
  4: required i64 shard_begin       // this server's range, in parameters
  5: required i64 shard_size
}

struct ByeRequest {
  1: required i32 worker
  2: required string reason
  3: required i64 compute_ns        // of the step that was cut off
  4: required i64 delay_ns
  5: required i64 wall_ns           // since the join
  6: i64 download_ns                // of the model that was last taken
  7: i64 upload_ns                  // of the step that was cut off
  8: i64 without_core_ns            // time within its computing in which it had no core
  9: i64 oversleep_ns               // how much longer than asked its delays took
  10: i64 hidden_push_ns            // of the last exchange: how much of it the worker computed through
  11: i64 hidden_wait_ns
  12: i64 hidden_pull_ns
  13: i64 data_ns                   // of the step that was cut off
}

struct Status {
  1: required i32 rank
  2: required i64 version
  3: required i64 sequence
  4: required bool stopped
  5: bool started
  6: i64 time_ns                    // run time
  7: i64 samples
  8: double epoch
  9: double accuracy                // of the last evaluation; below 0: none yet
  10: list<i32> waiting             // workers that the strategy holds
  11: list<i32> missing             // before the start: workers that have not come
}

// ---- the lead server and the others: what each executes, in this order

struct WeightedPush {
  1: required i64 push
  2: required double weight
}

enum OrderKind {
  ACCEPT = 1
  MERGE = 2
  UPDATE = 3
  DISCARD = 4
  RELEASE = 5
  LOOK = 6
}

struct Order {
  1: required i64 sequence
  2: required i32 kind              // an OrderKind
  3: required i64 version           // of the model after it
  4: i64 push                       // ACCEPT, DISCARD; MERGE: into
  5: i32 worker                     // ACCEPT, RELEASE
  6: i64 from_push                  // MERGE
  7: list<WeightedPush> shares      // UPDATE
  8: double learning_rate           // UPDATE
  9: bool refresh                   // RELEASE
  10: bool empty                    // ACCEPT
  11: i64 number                    // ACCEPT: of the worker's pushes, from 1
  12: bool reset_state              // UPDATE
}

// ---- the evaluation process and the lead server

enum EvaluationKind {
  LOOK = 1                          // evaluate this version
  WAIT = 2                          // nothing yet: ask again
  STOP = 3
}

struct EvaluationOrder {
  1: required i32 kind              // an EvaluationKind
  2: required i64 version
  3: required i64 sequence
  4: required i64 at_ns             // run time of the snapshot
  5: required double epoch
  6: required i64 samples
  7: required bool last
  8: bool evaluate                  // this version
  9: bool keep                      // it as a checkpoint
}

struct EvaluationResult {
  2: required i64 sequence          // of the look: the lead knows its version and time
  6: required double train_loss
  7: required double test_loss
  8: required double test_accuracy
  9: required i64 compute_ns        // what the evaluation took of the machine
  11: bool evaluated                // false: it was only kept
  10: string model_digest           // SHA-256 of the whole model, in hexadecimal digits
}

service ParameterServer {
  Hello hello(1: Hello hello)

  // A push, and the question what to do next. The answer comes when the strategy releases the worker.
  Reply step(1: StepRequest request, 2: binary tensor)
  // This server's piece of a push that is about to be made.
  PieceReply piece(1: PieceRequest request, 2: binary tensor)
  // This server's range of a model that was released.
  Reply pull(1: PullRequest request)

  JoinReply join(1: JoinRequest request)
  void bye(1: ByeRequest request)
  void execute(1: list<Order> orders)
  Status status()
  EvaluationOrder next_evaluation()
  void evaluated(1: EvaluationResult result)
  void stop(1: string reason)
}
