// One iteration: batches_per_update batches, whose gradients add up in the parameters; an update;
// the average; then a line of the log, a validation and a checkpoint, each if it is due.
//
// What a checkpoint holds, and what follows from the iteration alone:
//
//   model.safetensors    weights and buffers          learning rate (learning_rate.h)
//   solver.safetensors   moments; averaged weights    images of each batch (the loader)
//   facts                sums since the last line,    random draws: a generator for each batch,
//                        the best value and its       named by (seed, stage, batch, "samples")
//                        iteration, validation due
//   best.safetensors     the best weights so far
//
//   event                               what follows
//   shutdown request in an iteration    the iteration ends; checkpoint; kCancelled
//   shutdown request in a validation    checkpoint with "validation due"; kCancelled
//   unreadable image, first batch       checkpoint, if there are new iterations; the error
//   unreadable image, later batch       the error
//   loss or gradient not finite         kDataLoss; the weights are those before the update
//   one of these in one of several      the same on all, before any makes the update
//   ranks
//
// Invariant: a checkpoint is written only between updates, when no gradient is accumulated. So a
// resumed run repeats whole iterations, and ends with the same bits.

#include "rcnn/training/trainer/trainer.h"

#include <ATen/ATen.h>

#include <cmath>
#include <exception>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "glog/logging.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/detection/finite_output.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/weights/import.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/detection/weights/weights_file.h"
#include "rcnn/training/distributed/agreement.h"
#include "rcnn/training/trainer/checkpoint.h"
#include "rcnn/training/trainer/gradient_sum.h"
#include "rcnn/training/trainer/memory_error.h"
#include "rcnn/training/trainer/metrics_log.h"
#include "rcnn/training/trainer/non_finite_flag.h"
#include "rcnn/training/trainer/running_means.h"
#include "rcnn/training/trainer/shared_statistics.h"
#include "rcnn/training/trainer/solver.h"
#include "rcnn/training/trainer/unreadable_image.h"
#include "rcnn/training/trainer/update_report.h"
#include "rcnn/training/trainer/update_share.h"
#include "rcnn/training/trainer/weight_average.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::weights::StateDict;

constexpr char kMeans[] = "means";
constexpr char kBestValue[] = "best_value";
constexpr char kBestIteration[] = "best_iteration";
constexpr char kValidationDue[] = "validation_due";
constexpr char kIteration[] = "iteration";
constexpr char kMetrics[] = "metrics";

std::vector<TrainedParameter> TrainedParameters(const FasterRcnn& model) {
  std::vector<TrainedParameter> parameters;
  for (auto& [name, value] : detection::TrainableParameters(model)) {
    parameters.push_back({name, value});
  }
  return parameters;
}

// The tensors to average: trained weights and the statistics of their batch norms.
std::vector<TrainedParameter> AveragedTensors(const FasterRcnn& model) {
  std::vector<TrainedParameter> tensors = TrainedParameters(model);
  std::set<std::string> trained;
  for (const TrainedParameter& parameter : tensors) trained.insert(parameter.name);
  for (const auto& item : model.named_buffers()) {
    const size_t statistic = item.key().find(".running_");
    if (!item.value().defined() || statistic == std::string::npos) continue;
    if (trained.count(item.key().substr(0, statistic) + ".weight") > 0) {
      tensors.push_back({item.key(), item.value()});
    }
  }
  return tensors;
}

// A copy, because the weights keep changing.
StateDict StateToSave(const FasterRcnn& model) {
  StateDict state;
  for (const auto& [name, tensor] : model.StateToSave()) state.Add(name, tensor.clone());
  return state;
}

absl::Status RestoreModel(const StateDict& saved, const FasterRcnn& model) {
  RCNN_ASSIGN_OR_RETURN(const auto* map, detection::weights::FindNameMap("rcnn"));
  detection::weights::ImportOptions options;
  options.exact = true;
  options.source = "checkpoint";
  return detection::weights::ImportStateDict(saved, *map, options,
                                             detection::weights::ModuleState(model))
      .status();
}

// Those that this process takes.
std::string ListImages(const data::Batch& batch) {
  const auto own =
      absl::MakeConstSpan(batch.entries)
          .subspan(static_cast<size_t>(batch.own_begin), static_cast<size_t>(batch.images.size(0)));
  return absl::StrJoin(own, ", ", [](std::string* out, const data::BatchImage& entry) {
    absl::StrAppend(out, entry.info.name, " (id ", entry.info.id,
                    entry.info.flipped ? ", mirrored" : "",
                    entry.info.flipped_vertically ? ", upside down)" : ")");
  });
}

std::string DescribeLosses(const StepLosses& step) {
  return absl::StrJoin(step.parts, ", ", [](std::string* out, const auto& part) {
    absl::StrAppend(out, part.first, " ", part.second.template item<double>());
  });
}

// A rank's part of a batch, in numbers.
BatchReport Summary(const data::Batch& batch, const StepLosses& step, int64_t number, double loss) {
  BatchReport report = {number, batch.images.size(0), loss};
  for (const auto& [name, part] : step.parts) report.parts.emplace_back(name, part.item<double>());
  report.counts = step.counts;
  if (step.total.defined()) {
    report.text = absl::StrCat(ListImages(batch), " (", DescribeLosses(step), ")");
  }
  return report;
}

}  // namespace

class Trainer::State {
 public:
  State(TrainerOptions options, std::shared_ptr<FasterRcnn> model, LossFunction losses)
      : options_(std::move(options)),
        model_(std::move(model)),
        losses_(std::move(losses)),
        share_(options_.ranks == nullptr
                   ? UpdateShare()
                   : ShareOfUpdate(options_.ranks->rank(), options_.ranks->size(),
                                   options_.training.solver().batches_per_update())),
        checkpoints_(options_.directory, options_.key),
        average_(AveragedTensors(*model_), options_.training.average_decay()),
        parameters_(TrainedParameters(*model_)),
        statistics_(*model_) {}

  absl::StatusOr<StateDict> Run(std::shared_ptr<const data::Dataset> dataset,
                                data::LoaderOptions loader_options);

 private:
  int64_t iterations() const { return options_.training.solver().iterations(); }
  int batches_per_update() const { return options_.training.solver().batches_per_update(); }

  bool IsAlone() const { return options_.ranks == nullptr; }
  // Whether this process writes the files.
  bool IsFirst() const { return IsAlone() || options_.ranks->rank() == 0; }

  absl::Status Resume();
  absl::Status RestoreSolver(const StateDict& state);
  absl::Status RestoreFacts(const std::map<std::string, std::string>& facts);
  std::map<std::string, std::string> MakeFacts();
  // The state of solver and average.
  StateDict SolverState() const;
  // Gives the other ranks the state of rank 0.
  absl::Status ShareState();
  void NoticeIdleRanks() const;
  absl::Status Step(data::Loader& loader);
  // Adds up the gradients of this process's batches.
  UpdateReport ComputeGradients(data::Loader& loader);
  // Adds up those of all ranks, and returns the report of all.
  absl::StatusOr<UpdateReport> SumOverRanks(UpdateReport mine);
  absl::Status HandleFailedUpdate(const UpdateReport& update);
  absl::Status OthersCanStep(const absl::Status& loaded, UpdateReport& report);
  absl::Status AddGradient(const data::Batch& batch, int64_t number, UpdateReport& report);
  // ComputeGradient with exceptions as errors.
  absl::Status TryGradient(const data::Batch& batch, int64_t number, UpdateReport& report);
  // The loss and its backward pass; what is known of it is added to `report`.
  absl::Status ComputeGradient(const data::Batch& batch, int64_t number, UpdateReport& report);
  // Checks and returns the loss; NaN if it is read with the log.
  absl::StatusOr<double> ReadLoss(const StepLosses& step);
  // Of a step of this process alone, or of all ranks.
  void AddToMeans(const StepLosses& step);
  void AddToMeans(const BatchReport& batch);
  // Of the update that made `done_` what it is.
  void AddGradientNorm(const UpdateInfo& update);
  void AbandonExchange();
  // The error of values that were not finite on a device, if there were any. Waits for the device.
  absl::Status CheckFlag() const;
  absl::Status Diverged(absl::string_view what) const { return Diverged(Where(), what); }
  absl::Status Diverged(absl::string_view where, absl::string_view what) const;
  // The error for a batch that an operator rejected.
  absl::Status Failed(const absl::Status& error, const data::Batch& batch) const;
  bool WeightsAreFinite() const;
  std::string Where() const;
  absl::Status LogLine(const data::Loader& loader);
  bool ValidationIsDue() const;
  // Whether all iterations are done, or validation has not improved for too long.
  bool IsFinished() const;
  absl::Status Validate();
  absl::Status ValidateNow();
  // Whether it is time for a checkpoint once `done` iterations are done.
  bool CheckpointIsDue(int64_t done) const;
  absl::Status CheckpointIfDue();
  absl::Status WriteCheckpoint();
  absl::StatusOr<StateDict> Result();
  bool KeepsBest() const { return options_.training.validation().keep_best(); }
  absl::Status SaveBest(const StateDict& state);
  absl::StatusOr<StateDict> LoadBest() const;
  std::string BestPath() const { return absl::StrCat(options_.directory, "/", kBestWeightsFile); }
  void Notice(const std::string& text) const {
    LOG(INFO) << options_.stage << ": " << PrintableMessage(text);
    if (options_.notice) options_.notice(text);
  }

  const TrainerOptions options_;
  const std::shared_ptr<FasterRcnn> model_;
  const LossFunction losses_;
  const UpdateShare share_;
  CheckpointStore checkpoints_;
  WeightAverage average_;
  const std::vector<TrainedParameter> parameters_;
  SharedStatistics statistics_;  // of several ranks
  std::optional<Solver> solver_;
  std::optional<MetricsLog> log_;  // of the process that writes the files
  RunningMeans means_;
  NonFiniteFlag flag_;
  int64_t done_ = 0;             // iterations
  int64_t last_checkpoint_ = 0;  // iteration of the last one written, or read
  absl::Time last_checkpoint_time_ = MonotonicNow();
  std::optional<double> best_value_;
  int64_t best_iteration_ = 0;
  FileDigest best_digest_;                      // of BestPath(), where there is a best value
  bool validation_due_ = false;                 // still to do after an interruption
  std::string images_;                          // of the batches of this update, for messages
  absl::Status lost_ranks_;                     // the error of the connection between the ranks
  bool stop_ = false;                           // a shutdown was requested, of any rank
  bool checkpoint_due_ = false;                 // as rank 0 has told
  std::optional<std::string> covered_metrics_;  // of the checkpoint that the run resumes from
  // Since the last line of the metrics.
  absl::Time line_start_ = MonotonicNow();
  absl::Duration line_wait_start_;
  int64_t line_images_ = 0;
};

absl::Status Trainer::State::Resume() {
  std::vector<std::string> problems;
  RCNN_ASSIGN_OR_RETURN(const auto checkpoint, checkpoints_.ReadLatest(&problems));
  for (const std::string& problem : problems) Notice(problem);
  if (!checkpoint.has_value()) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(RestoreModel(checkpoint->model, *model_));
  RCNN_RETURN_IF_ERROR(RestoreSolver(checkpoint->solver));
  RCNN_RETURN_IF_ERROR(RestoreFacts(checkpoint->facts));
  if (checkpoint->facts.count(kMetrics) > 0) covered_metrics_ = checkpoint->facts.at(kMetrics);
  if (!checkpoint->best_weights.empty()) {
    // The best weights at the checkpoint's time; later ones will be recomputed.
    RCNN_RETURN_IF_ERROR(LinkOrCopy(checkpoint->best_weights, BestPath()));
    best_digest_ = checkpoint->best_digest;
  }
  done_ = last_checkpoint_ = checkpoint->iteration;
  Notice(absl::StrCat("resumes at iteration ", done_, " of ", iterations()));
  return absl::OkStatus();
}

absl::Status Trainer::State::RestoreSolver(const StateDict& state) {
  StateDict solver;
  for (const StateDict::Entry& entry : state) {
    if (entry.name.rfind("average", 0) != 0) solver.Add(entry.name, entry.tensor);
  }
  RCNN_RETURN_IF_ERROR(solver_->Restore(solver));
  return average_.Restore(state);
}

StateDict Trainer::State::SolverState() const {
  StateDict state = solver_->State();
  average_.Save(state);
  return state;
}

absl::Status Trainer::State::RestoreFacts(const std::map<std::string, std::string>& facts) {
  if (facts.count(kMeans) > 0) RCNN_RETURN_IF_ERROR(means_.Restore(facts.at(kMeans)));
  double value = 0;
  if (facts.count(kBestValue) > 0 && facts.count(kBestIteration) > 0 &&
      absl::SimpleAtod(facts.at(kBestValue), &value) &&
      absl::SimpleAtoi(facts.at(kBestIteration), &best_iteration_)) {
    best_value_ = value;
  }
  validation_due_ = facts.count(kValidationDue) > 0;
  return absl::OkStatus();
}

std::map<std::string, std::string> Trainer::State::MakeFacts() {
  std::map<std::string, std::string> facts;
  facts[kMeans] = means_.Text();
  if (best_value_.has_value()) {
    facts[kBestValue] = absl::StrFormat("%.17g", *best_value_);
    facts[kBestIteration] = absl::StrCat(best_iteration_);
  }
  if (validation_due_) facts[kValidationDue] = "1";
  return facts;
}

// Tensors are overwritten in place; ranks have the same ones, as they have built the same network.
absl::Status Trainer::State::ShareState() {
  RankGroup& ranks = *options_.ranks;
  std::map<std::string, std::string> facts = MakeFacts();
  facts[kIteration] = absl::StrCat(done_);
  RCNN_ASSIGN_OR_RETURN(const std::string shared, ranks.Broadcast(nlohmann::json(facts).dump()));
  const StateDict solver = SolverState();
  for (const StateDict& state : {detection::weights::ModuleState(*model_), solver}) {
    for (const StateDict::Entry& entry : state) {
      RCNN_RETURN_IF_ERROR(ranks.Broadcast(entry.tensor));
    }
  }
  if (IsFirst()) return absl::OkStatus();
  facts = nlohmann::json::parse(shared).get<std::map<std::string, std::string>>();
  RCNN_RETURN_IF_ERROR(RestoreSolver(solver));
  if (!absl::SimpleAtoi(facts.at(kIteration), &done_)) {
    return absl::InternalError("rank 0 has sent no iteration");
  }
  last_checkpoint_ = done_;
  return RestoreFacts(facts);
}

void Trainer::State::NoticeIdleRanks() const {
  const int images = options_.training.batching().images_per_batch();
  const std::vector<int> idle =
      RanksWithoutImages(options_.ranks->size(), batches_per_update(), images);
  if (idle.empty()) return;
  Notice(absl::StrCat("an update has only ", images * batches_per_update(),
                      " images: none for rank ", absl::StrJoin(idle, ", ")));
}

absl::StatusOr<StateDict> Trainer::State::Run(std::shared_ptr<const data::Dataset> dataset,
                                              data::LoaderOptions loader_options) {
  const bool is_float16 = options_.training.precision() == configs::TrainingConfig::FLOAT16;
  RCNN_ASSIGN_OR_RETURN(Solver solver, Solver::Create(options_.training.solver(), parameters_,
                                                      {/*scales_loss=*/is_float16}));
  solver_.emplace(std::move(solver));
  if (IsFirst()) RCNN_RETURN_IF_ERROR(Resume());
  if (!IsAlone()) RCNN_RETURN_IF_ERROR(ShareState());
  if (IsFirst()) {
    RCNN_ASSIGN_OR_RETURN(MetricsLog log,
                          MetricsLog::Open(options_.directory, options_.events_directory,
                                           options_.stage, done_ + 1, covered_metrics_));
    log_.emplace(std::move(log));
  }
  if (!IsAlone() && IsFirst()) NoticeIdleRanks();
  if (validation_due_) {
    RCNN_RETURN_IF_ERROR(ValidateNow());
    RCNN_RETURN_IF_ERROR(WriteCheckpoint());
  }
  if (!IsFinished()) {
    loader_options.first_iteration = done_ * batches_per_update();
    if (!IsAlone()) {
      loader_options.share = share_.iterations;
      loader_options.contents.part = share_.part;
    }
    RCNN_ASSIGN_OR_RETURN(const auto loader,
                          data::Loader::Create(std::move(dataset), loader_options));
    line_start_ = last_checkpoint_time_ = MonotonicNow();
    while (!IsFinished()) RCNN_RETURN_IF_ERROR(Step(*loader));
  }
  if (done_ < iterations()) {
    Notice(absl::StrCat("stops early at iteration ", done_, " of ", iterations(),
                        ": the best validation was at ", best_iteration_));
  }
  return Result();
}

absl::Status Trainer::State::Step(data::Loader& loader) {
  RCNN_ASSIGN_OR_RETURN(const UpdateReport report, SumOverRanks(ComputeGradients(loader)));
  if (!report.status.ok()) return HandleFailedUpdate(report);
  double loss = 0;
  for (const BatchReport& batch : report.batches) {
    if (!IsAlone()) AddToMeans(batch);
    loss += batch.loss / batches_per_update();
  }
  const absl::StatusOr<UpdateInfo> update = solver_->Update(done_, flag_.IsClear());
  if (absl::IsDataLoss(update.status())) return Diverged(update.status().message());
  RCNN_RETURN_IF_ERROR(update.status());
  average_.Update();
  ++done_;
  AddGradientNorm(*update);
  means_.Add("learning_rate", update->learning_rate);
  if (options_.progress) {
    options_.progress(done_, std::isnan(loss) ? "" : absl::StrFormat("loss %.3f", loss));
  }
  if (done_ % options_.resources.log_every() == 0 || done_ == iterations()) {
    RCNN_RETURN_IF_ERROR(LogLine(loader));
  }
  if (ValidationIsDue()) RCNN_RETURN_IF_ERROR(ValidateNow());
  return CheckpointIfDue();
}

UpdateReport Trainer::State::ComputeGradients(data::Loader& loader) {
  images_.clear();
  if (!IsAlone()) statistics_.Keep();
  UpdateReport report;
  const int64_t first = done_ * batches_per_update();
  const int64_t begin = IsAlone() ? 0 : share_.iterations.begin;
  const int64_t end = IsAlone() ? batches_per_update() : share_.iterations.end;
  for (int64_t i = begin; i < end && report.status.ok(); ++i) {
    const absl::StatusOr<data::Batch> batch = loader.Next();
    if (batch.ok()) {
      report.status = OthersCanStep(batch.status(), report);
      if (report.status.ok()) report.status = AddGradient(*batch, first + i, report);
      continue;
    }
    OthersCanStep(batch.status(), report).IgnoreError();
    report.status = UnreadableImageError(batch.status());
    // In the middle of an update no checkpoint is written: the running statistics of batch norms
    // already include a part of that update. Several ranks restore them.
    report.is_unreadable_image = i == begin || !IsAlone();
    AbandonExchange();
  }
  return report;
}

// Ranks that exchange values inside a step have to agree before it that all can make it.
absl::Status Trainer::State::OthersCanStep(const absl::Status& loaded, UpdateReport& report) {
  if (!options_.exchanges_in_step) return absl::OkStatus();
  const absl::Status agreed = Agree(*options_.ranks, loaded);
  if (agreed.ok()) return agreed;
  report.is_secondary = loaded.ok();
  return absl::InternalError("stopped because of another rank");
}

void Trainer::State::AbandonExchange() {
  if (options_.exchange == nullptr) return;
  try {
    options_.exchange->Abandon();
  } catch (const OtherRankFailed& error) {
    lost_ranks_ = error.connection();
  }
}

absl::StatusOr<UpdateReport> Trainer::State::SumOverRanks(UpdateReport mine) {
  if (IsAlone()) return mine;
  RCNN_RETURN_IF_ERROR(lost_ranks_);
  mine.has_gradient = WhichHaveGradients(parameters_);
  mine.wants_stop = ShutdownRequested();
  mine.wants_checkpoint = IsFirst() && CheckpointIsDue(done_ + 1);
  RCNN_ASSIGN_OR_RETURN(UpdateReport all, ShareReport(*options_.ranks, mine));
  stop_ = all.wants_stop;
  checkpoint_due_ = all.wants_checkpoint;
  images_ = absl::StrJoin(all.batches, ", ", [](std::string* out, const BatchReport& batch) {
    absl::StrAppend(out, batch.text);
  });
  if (!all.status.ok()) return all;
  RCNN_RETURN_IF_ERROR(SumGradients(*options_.ranks, parameters_, all.has_gradient));
  RCNN_RETURN_IF_ERROR(statistics_.Merge(*options_.ranks, share_));
  return all;
}

// Ends training. At an unreadable image the state is that of the last update.
absl::Status Trainer::State::HandleFailedUpdate(const UpdateReport& update) {
  if (!IsAlone()) statistics_.Restore();
  if (update.is_unreadable_image && done_ > last_checkpoint_) {
    RCNN_RETURN_IF_ERROR(WriteCheckpoint());
  }
  return update.status;
}

absl::StatusOr<double> Trainer::State::ReadLoss(const StepLosses& step) {
  for (const auto& [name, finite] : step.finite) flag_.Add(name, finite, done_ + 1);
  if (step.read_with_log && IsAlone()) {
    for (const auto& [name, part] : step.parts) {
      flag_.Add(absl::StrCat("loss_", name), detection::AllFinite(part), done_ + 1);
    }
    return std::numeric_limits<double>::quiet_NaN();
  }
  const double loss = step.total.defined() ? step.total.item<double>() : 0;
  if (std::isfinite(loss)) return loss;
  return Diverged(absl::StrCat("the loss is not finite: ", DescribeLosses(step)));
}

void Trainer::State::AddToMeans(const StepLosses& step) {
  const auto add = [&](const std::string& name, const at::Tensor& value) {
    if (step.read_with_log) return means_.AddUnread(name, value);
    means_.Add(name, value.item<double>());
  };
  add("loss", step.total);
  for (const auto& [name, part] : step.parts) add(absl::StrCat("loss_", name), part);
  for (const auto& [name, count] : step.counts) means_.Add(name, count);
}

void Trainer::State::AddToMeans(const BatchReport& batch) {
  line_images_ += batch.images;
  means_.Add("loss", batch.loss);
  for (const auto& [name, part] : batch.parts) means_.Add(absl::StrCat("loss_", name), part);
  for (const auto& [name, count] : batch.counts) means_.Add(name, count);
}

void Trainer::State::AddGradientNorm(const UpdateInfo& update) {
  if (!update.unread_norm.defined()) return means_.Add("gradient_norm", update.gradient_norm);
  means_.AddUnread("gradient_norm", update.unread_norm);
  if (update.loss_scale.defined()) means_.AddUnread("loss_scale", update.loss_scale);
  flag_.Add("gradient", update.finite, done_);
}

absl::Status Trainer::State::AddGradient(const data::Batch& batch, int64_t number,
                                         UpdateReport& report) {
  absl::StrAppend(&images_, images_.empty() ? "" : ", ", ListImages(batch));
  const absl::Status status = TryGradient(batch, number, report);
  // The others wait inside the step.
  if (!status.ok() && options_.exchanges_in_step && lost_ranks_.ok()) lost_ranks_ = status;
  return status;
}

absl::Status Trainer::State::TryGradient(const data::Batch& batch, int64_t number,
                                         UpdateReport& report) {
  try {
    return ComputeGradient(batch, number, report);
  } catch (const OtherRankFailed& error) {
    report.is_secondary = true;
    lost_ranks_ = error.connection();
    return absl::InternalError("stopped because of another rank");
  } catch (const std::exception& error) {
    const absl::Status status = ExceptionStatus(error, absl::StatusCode::kInternal);
    return IsNotFinite(error) ? Diverged(status.message()) : Failed(status, batch);
  }
}

absl::Status Trainer::State::ComputeGradient(const data::Batch& batch, int64_t number,
                                             UpdateReport& report) {
  const StepLosses step =
      losses_(batch, MakeGenerator({options_.seed, options_.stage, number, "samples"}));
  RCNN_ASSIGN_OR_RETURN(const double loss, ReadLoss(step));
  if (step.total.defined()) solver_->ScaleLoss(step.total).backward();
  const bool is_read = step.total.defined() && !(step.read_with_log && IsAlone());
  const std::string losses = is_read ? absl::StrCat(" (", DescribeLosses(step), ")") : "";
  absl::StrAppend(&images_, losses);
  report.batches.push_back(IsAlone() ? BatchReport{number, batch.images.size(0), loss}
                                     : Summary(batch, step, number, loss));
  if (!IsAlone()) return absl::OkStatus();
  line_images_ += static_cast<int64_t>(batch.entries.size());
  AddToMeans(step);
  return absl::OkStatus();
}

// "iteration 12 on the images a, b"
std::string Trainer::State::Where() const {
  return absl::StrCat("iteration ", done_ + 1, " on the images ", images_);
}

absl::Status Trainer::State::CheckFlag() const {
  const std::optional<NonFiniteFlag::Fault> fault = flag_.Read();
  if (!fault.has_value()) return absl::OkStatus();
  return Diverged(absl::StrCat("iteration ", fault->iteration),
                  absl::StrCat("not finite on the device: ", absl::StrJoin(fault->names, ", ")));
}

absl::Status Trainer::State::Diverged(absl::string_view where, absl::string_view what) const {
  const std::string good = last_checkpoint_ > 0
                               ? absl::StrCat("The last good checkpoint is ", options_.directory,
                                              "/checkpoint-", last_checkpoint_)
                               : std::string("There is no checkpoint yet");
  return absl::DataLossError(
      absl::StrCat("training has diverged at ", where, ": ", what, ". ", good,
                   "; try a lower learning_rate, a longer warm_up or max_gradient_norm"));
}

bool Trainer::State::WeightsAreFinite() const {
  for (const at::Tensor& weight : model_->parameters()) {
    if (!weight.isfinite().all().item<bool>()) return false;
  }
  return true;
}

// Any error except NotFiniteError, by which operators report values that are not finite.
absl::Status Trainer::State::Failed(const absl::Status& error, const data::Batch& batch) const {
  const absl::string_view what = error.message();
  if (absl::IsResourceExhausted(error)) {
    return TrainingMemoryError(what, Where(), detection::ModuleDevice(*model_),
                               batch.images.sizes());
  }
  if (!WeightsAreFinite()) return Diverged(what);
  return absl::InternalError(absl::StrCat("the network failed at ", Where(), ": ", what));
}

absl::Status Trainer::State::LogLine(const data::Loader& loader) {
  RCNN_RETURN_IF_ERROR(CheckFlag());
  const absl::Duration wait = loader.stats().wait;
  const double seconds = absl::ToDoubleSeconds(MonotonicNow() - line_start_);
  NamedNumbers values = means_.Take();
  if (!IsFirst()) return absl::OkStatus();
  std::string text;
  for (const auto& [name, value] : values) absl::StrAppendFormat(&text, " %s %.4g", name, value);
  values.emplace_back("images_per_second", static_cast<double>(line_images_) / seconds);
  values.emplace_back("data_wait", absl::ToDoubleSeconds(wait - line_wait_start_) / seconds);
  LOG(INFO) << options_.stage << " iteration " << done_ << ":" << text;
  line_start_ = MonotonicNow();
  line_wait_start_ = wait;
  line_images_ = 0;
  return log_->Log(done_, values);
}

bool Trainer::State::ValidationIsDue() const {
  if (!options_.validate || !options_.training.has_validation()) return false;
  return done_ % options_.training.validation().every() == 0 || done_ == iterations();
}

// Depends only on what a checkpoint holds, so that a resumed run ends at the same iteration.
bool Trainer::State::IsFinished() const {
  if (done_ >= iterations()) return true;
  const configs::ValidationConfig& validation = options_.training.validation();
  return validation.patience() > 0 && best_value_.has_value() &&
         done_ - best_iteration_ >= validation.patience() * validation.every();
}

absl::Status Trainer::State::Validate() {
  const absl::Time start = MonotonicNow();
  const WeightAverage::Swap swap(average_);
  const StateDict state = StateToSave(*model_);
  RCNN_ASSIGN_OR_RETURN(const NamedNumbers found, options_.validate(state), "validation");
  NamedNumbers values;
  for (const auto& [name, value] : found) values.emplace_back("validation_" + name, value);
  if (IsFirst()) RCNN_RETURN_IF_ERROR(log_->Log(done_, values));
  const auto& [metric, value] = found.front();
  Notice(absl::StrFormat("validation at iteration %d: %s %.4f", done_, metric, value));
  line_start_ += MonotonicNow() - start;
  // NaN (no validation objects) is never the best.
  if (!std::isfinite(value) || (best_value_.has_value() && value <= *best_value_)) {
    return absl::OkStatus();
  }
  best_value_ = value;
  best_iteration_ = done_;
  return KeepsBest() && IsFirst() ? SaveBest(state) : absl::OkStatus();
}

absl::Status Trainer::State::SaveBest(const StateDict& state) {
  RCNN_RETURN_IF_ERROR(detection::weights::SaveStateDict(state, BestPath()));
  RCNN_ASSIGN_OR_RETURN(best_digest_, ComputeFileDigest(BestPath()));
  return absl::OkStatus();
}

absl::StatusOr<StateDict> Trainer::State::LoadBest() const {
  const absl::Status status = CheckStoredFile(BestPath(), best_digest_);
  if (status.ok()) return detection::weights::LoadStateDict(BestPath());
  if (!IsDamage(status)) return status;
  return absl::DataLossError(
      absl::StrCat(status.message(), "; the same command resumes from an earlier checkpoint"));
}

// Validates. If it is interrupted, a checkpoint says so, and the next run validates first.
absl::Status Trainer::State::ValidateNow() {
  RCNN_RETURN_IF_ERROR(CheckFlag());
  const absl::Status status = Validate();
  validation_due_ = absl::IsCancelled(status);
  if (validation_due_) RCNN_RETURN_IF_ERROR(WriteCheckpoint());
  return status;
}

bool Trainer::State::CheckpointIsDue(int64_t done) const {
  const configs::ResourcesConfig& resources = options_.resources;
  const bool by_count = resources.checkpoint_iterations() > 0 &&
                        done - last_checkpoint_ >= resources.checkpoint_iterations();
  const bool by_time =
      resources.checkpoint_seconds() > 0 &&
      MonotonicNow() - last_checkpoint_time_ >= absl::Seconds(resources.checkpoint_seconds());
  return by_count || by_time;
}

// Several ranks do what they have agreed on before the update.
absl::Status Trainer::State::CheckpointIfDue() {
  const bool stops = IsAlone() ? ShutdownRequested() : stop_;
  const bool is_due = IsAlone() ? CheckpointIsDue(done_) : checkpoint_due_;
  if (is_due || stops) RCNN_RETURN_IF_ERROR(WriteCheckpoint());
  if (!stops) return absl::OkStatus();
  return absl::CancelledError(absl::StrCat("stopped at iteration ", done_, " of stage ",
                                           options_.stage, "; the same command resumes there"));
}

absl::Status Trainer::State::WriteCheckpoint() {
  RCNN_RETURN_IF_ERROR(CheckFlag());
  if (!IsFirst()) {
    last_checkpoint_ = done_;
    return absl::OkStatus();
  }
  Checkpoint checkpoint;
  checkpoint.iteration = done_;
  checkpoint.model = detection::weights::ModuleState(*model_);
  checkpoint.solver = SolverState();
  checkpoint.facts = MakeFacts();
  checkpoint.facts[kMetrics] = log_->lines();
  if (KeepsBest() && best_value_.has_value()) {
    checkpoint.best_weights = BestPath();
    checkpoint.best_digest = best_digest_;
  }
  // Lines that a checkpoint covers are not written again, so they must be on disk first.
  RCNN_RETURN_IF_ERROR(log_->Sync());
  RCNN_RETURN_IF_ERROR(checkpoints_.Write(checkpoint));
  last_checkpoint_ = done_;
  last_checkpoint_time_ = MonotonicNow();
  return checkpoints_.Prune(options_.resources.checkpoints_kept());
}

absl::StatusOr<StateDict> Trainer::State::Result() {
  if (!IsFirst()) return StateDict();
  if (KeepsBest() && best_value_.has_value()) {
    Notice(absl::StrCat("keeps the weights of iteration ", best_iteration_));
    return LoadBest();
  }
  const WeightAverage::Swap swap(average_);
  return StateToSave(*model_);
}

Trainer::Trainer(TrainerOptions options, std::shared_ptr<FasterRcnn> model, LossFunction losses)
    : state_(std::make_unique<State>(std::move(options), std::move(model), std::move(losses))) {}

Trainer::~Trainer() = default;

absl::StatusOr<StateDict> Trainer::Run(std::shared_ptr<const data::Dataset> dataset,
                                       data::LoaderOptions loader) {
  return state_->Run(std::move(dataset), std::move(loader));
}

}  // namespace rcnn::training
