#include "rcnn/detection/weights/import.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/count_not_finite.h"

namespace rcnn::detection::weights {
namespace {

bool BelongsToPart(absl::string_view name, absl::string_view part) {
  return absl::ConsumePrefix(&name, part) && (name.empty() || name.front() == '.');
}

bool IsBatchCounter(absl::string_view name) { return absl::EndsWith(name, ".num_batches_tracked"); }

std::vector<int64_t> WithoutOnes(at::IntArrayRef sizes) {
  std::vector<int64_t> kept;
  std::copy_if(sizes.begin(), sizes.end(), std::back_inserter(kept),
               [](int64_t size) { return size != 1; });
  return kept;
}

// True if `flat` is `full` with the last dimensions flattened into one.
bool IsFlattened(const std::vector<int64_t>& full, const std::vector<int64_t>& flat) {
  if (flat.size() < 2 || flat.size() > full.size()) return false;
  if (!std::equal(flat.begin(), flat.end() - 1, full.begin())) return false;
  int64_t product = 1;
  for (size_t i = flat.size() - 1; i < full.size(); ++i) product *= full[i];
  return product == flat.back();
}

// Same elements, same order: see the header.
bool CanReshape(at::IntArrayRef from, at::IntArrayRef to) {
  const std::vector<int64_t> a = WithoutOnes(from);
  const std::vector<int64_t> b = WithoutOnes(to);
  return a == b || IsFlattened(a, b) || IsFlattened(b, a);
}

// One import: decides about every tensor, and copies only if there is no error. So that the file
// and the model do not take memory at the same time, the file's pages are released where they have
// been read.
class Import {
 public:
  Import(const StateDict& weights, const NameMap& map, const ImportOptions& options,
         const StateDict& model)
      : weights_(weights), options_(options), model_(model) {
    report_.source = options.source;
    report_.map = map.name;
  }

  absl::StatusOr<ImportReport> Run(const NameMap& map) {
    RCNN_RETURN_IF_ERROR(CheckReinitialised());
    RCNN_RETURN_IF_ERROR(SortSources(map));
    for (const StateDict::Entry& entry : model_) RCNN_RETURN_IF_ERROR(Decide(entry));
    RCNN_RETURN_IF_ERROR(CheckSomethingFits());
    for (const std::string& part : options_.whole_parts) RCNN_RETURN_IF_ERROR(CheckWhole(part));
    if (options_.exact) RCNN_RETURN_IF_ERROR(CheckExact());
    RCNN_RETURN_IF_ERROR(CheckFinite());
    Copy();
    return std::move(report_);
  }

 private:
  struct Source {
    std::string theirs;
    at::Tensor tensor;
  };
  struct Assignment {
    std::string name;
    at::Tensor to, from;
  };

  absl::Status CheckReinitialised() const {
    for (const std::string& part : options_.reinitialised) {
      if (std::none_of(model_.begin(), model_.end(),
                       [&](const auto& entry) { return BelongsToPart(entry.name, part); })) {
        return absl::NotFoundError(
            absl::StrCat("the model has no part '", part, "' to re-initialise"));
      }
    }
    return absl::OkStatus();
  }

  bool IsReinitialised(absl::string_view name) const {
    return std::any_of(options_.reinitialised.begin(), options_.reinitialised.end(),
                       [&](const std::string& part) { return BelongsToPart(name, part); });
  }

  // Sorts the file's tensors into those that the model has and the others.
  absl::Status SortSources(const NameMap& map) {
    for (const StateDict::Entry& entry : weights_) {
      const auto ours = OurName(map, entry.name);
      if (!ours.has_value()) {
        AddSkipped(entry, "unknown to the map");
      } else if (ours->empty()) {
        AddSkipped(entry, "left out by the map");
      } else if (model_.Find(*ours) == nullptr) {
        AddSkipped(entry, absl::StrCat("the model has no ", *ours));
      } else if (!sources_.try_emplace(*ours, Source{entry.name, entry.tensor}).second) {
        return absl::InvalidArgumentError(absl::StrCat("name map ", map.name, ": '", entry.name,
                                                       "' and another tensor both become '", *ours,
                                                       "'"));
      }
    }
    return absl::OkStatus();
  }

  void AddSkipped(const StateDict::Entry& entry, std::string note) {
    report_.rows.push_back({ImportOutcome::kSkipped, entry.name, entry.name,
                            ShapeString(entry.tensor.sizes()), std::move(note)});
  }

  absl::Status Decide(const StateDict::Entry& entry) {
    ImportRow row{ImportOutcome::kLeftAtInitial, entry.name, "", ShapeString(entry.tensor.sizes()),
                  ""};
    const auto found = sources_.find(entry.name);
    if (IsReinitialised(entry.name)) {
      row.note = "re-initialised";
    } else if (found != sources_.end()) {
      row.theirs = found->second.theirs;
      RCNN_RETURN_IF_ERROR(Fit(found->second.tensor, entry.tensor, row));
      assignments_.push_back({entry.name, entry.tensor, found->second.tensor});
    }
    report_.rows.push_back(std::move(row));
    return absl::OkStatus();
  }

  absl::Status Fit(const at::Tensor& from, const at::Tensor& to, ImportRow& row) const {
    row.outcome = ImportOutcome::kLoaded;
    if (from.sizes() != to.sizes()) {
      if (!CanReshape(from.sizes(), to.sizes())) return Mismatch(from, row);
      row.outcome = ImportOutcome::kReshaped;
      row.note = absl::StrCat("from ", ShapeString(from.sizes()));
    }
    if (from.scalar_type() == to.scalar_type()) return absl::OkStatus();
    if (from.is_floating_point() != to.is_floating_point()) {
      return absl::InvalidArgumentError(
          absl::StrCat(options_.source, ": ", row.theirs, " is ", c10::toString(from.scalar_type()),
                       ", the model's ", row.name, " ", c10::toString(to.scalar_type())));
    }
    absl::StrAppend(&row.note, row.note.empty() ? "" : ", ", "from ",
                    c10::toString(from.scalar_type()));
    return absl::OkStatus();
  }

  absl::Status Mismatch(const at::Tensor& from, const ImportRow& row) const {
    return absl::InvalidArgumentError(absl::StrCat(
        options_.source, ": ", row.theirs, " is ", ShapeString(from.sizes()), ", the model's ",
        row.name, " ", row.shape,
        ": another network or number of classes? Mark the part as re-initialised to ignore it."));
  }

  absl::Status CheckSomethingFits() const {
    if (!assignments_.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat(options_.source, " has no tensor for this model under the name map ",
                     report_.map, ":\n", report_.ToString()));
  }

  absl::Status CheckWhole(const std::string& part) const {
    int64_t loaded = 0;
    std::vector<std::string> missing;
    for (const ImportRow& row : report_.rows) {
      if (row.outcome == ImportOutcome::kSkipped || !BelongsToPart(row.name, part)) continue;
      if (IsBatchCounter(row.name) || IsReinitialised(row.name)) continue;
      if (row.outcome == ImportOutcome::kLeftAtInitial) {
        missing.push_back(row.name);
      } else {
        ++loaded;
      }
    }
    if (loaded == 0 || missing.empty()) return absl::OkStatus();
    return Incomplete(
        absl::StrCat("fills only ", Counted(loaded, "tensor"), " of the model's ", part), missing);
  }

  absl::Status CheckExact() const {
    std::vector<std::string> missing;
    std::vector<std::string> extra;
    for (const ImportRow& row : report_.rows) {
      if (IsBatchCounter(row.name) || IsReinitialised(row.name)) continue;
      if (row.outcome == ImportOutcome::kLeftAtInitial) missing.push_back(row.name);
      if (row.outcome == ImportOutcome::kSkipped) extra.push_back(row.name);
    }
    if (!missing.empty()) return Incomplete("does not fill the model", missing);
    if (extra.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat(options_.source, " has ", Counted(extra.size(), "tensor"),
                     " that the model lacks (the first is ", extra.front(),
                     "): are these the weights of another model?"));
  }

  absl::Status Incomplete(const std::string& what, const std::vector<std::string>& missing) const {
    return absl::FailedPreconditionError(absl::StrCat(
        options_.source, " ", what, ": ", Counted(missing.size(), "is missing", "are missing"),
        " (the first is ", missing.front(), "): are these the weights of another model?"));
  }

  // A network with a NaN detects nothing and learns nothing, without any error.
  absl::Status CheckFinite() const {
    for (const ImportRow& row : report_.rows) {
      const auto source = row.theirs.empty() ? sources_.end() : sources_.find(row.name);
      if (source == sources_.end() || !source->second.tensor.is_floating_point()) continue;
      int64_t bad = 0;
      weights_.ReadInParts(source->second.tensor,
                           [&](const at::Tensor& part) { bad += CountNotFinite(part); });
      if (bad == 0) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(options_.source, ": ", row.theirs, ": ", bad, " of ",
                       Counted(source->second.tensor.numel(), "value"), Noun(bad, " is", " are"),
                       " NaN or infinite; use other weights, or leave that part out"));
    }
    return absl::OkStatus();
  }

  void Copy() const {
    const at::NoGradGuard no_grad;
    for (const Assignment& assignment : assignments_) {
      const at::Tensor from = assignment.from.reshape(assignment.to.sizes());
      const bool borrowed = options_.borrow != nullptr && options_.borrow(assignment.name, from);
      if (!borrowed) CopyInParts(from, assignment.to);
    }
  }

  void CopyInParts(const at::Tensor& from, const at::Tensor& to) const {
    if (!from.is_contiguous() || !to.is_contiguous()) {
      to.copy_(from);
      return;
    }
    const at::Tensor copies = to.view(-1);
    int64_t begin = 0;
    weights_.ReadInParts(from, [&](const at::Tensor& part) {
      copies.narrow(0, begin, part.numel()).copy_(part);
      begin += part.numel();
    });
  }

  const StateDict& weights_;
  const ImportOptions& options_;
  const StateDict& model_;
  std::map<std::string, Source, std::less<>> sources_;
  std::vector<Assignment> assignments_;
  ImportReport report_;
};

}  // namespace

absl::StatusOr<ImportReport> ImportStateDict(const StateDict& weights, const NameMap& map,
                                             const ImportOptions& options, const StateDict& model) {
  return Import(weights, map, options, model).Run(map);
}

}  // namespace rcnn::detection::weights
