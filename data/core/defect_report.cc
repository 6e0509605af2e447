#include "rcnn/data/core/defect_report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/printable.h"

namespace rcnn::data {
namespace {

constexpr size_t kLongestText = 300;

bool ContinuesCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }  // UTF-8

// Outside text, escaped for one line of a terminal.
std::string Shown(absl::string_view text) {
  if (text.size() <= kLongestText) return Printable(text);
  size_t size = kLongestText;
  while (size > 0 && ContinuesCharacter(text[size])) --size;
  return absl::StrCat(Printable(text.substr(0, size)), "... (", text.size(), " bytes)");
}

}  // namespace

absl::string_view Name(DefectKind kind) {
  switch (kind) {
    case DefectKind::kUnreadableAnnotation:
      return "unreadable annotation";
    case DefectKind::kMissingAnnotation:
      return "missing annotation";
    case DefectKind::kMissingImage:
      return "missing image";
    case DefectKind::kUnreadableImage:
      return "unreadable image";
    case DefectKind::kUnsafeFileName:
      return "unsafe file name";
    case DefectKind::kWrongSize:
      return "wrong image size";
    case DefectKind::kDuplicateImage:
      return "image listed twice";
    case DefectKind::kUndecidedOrientation:
      return "undecided EXIF orientation";
    case DefectKind::kMissingField:
      return "missing field";
    case DefectKind::kBadNumber:
      return "bad number";
    case DefectKind::kUnknownClass:
      return "unknown class";
    case DefectKind::kUnknownImage:
      return "unknown image";
    case DefectKind::kInverted:
      return "negative size";
    case DefectKind::kZeroSize:
      return "zero size";
    case DefectKind::kOutside:
      return "outside the image";
    case DefectKind::kPartlyOutside:
      return "partly outside the image";
    case DefectKind::kMissingArea:
      return "missing area";
  }
  return "defect";
}

absl::string_view Name(DefectAction action) {
  switch (action) {
    case DefectAction::kKept:
      return "kept";
    case DefectAction::kClipped:
      return "clipped";
    case DefectAction::kObjectDropped:
      return "object dropped";
    case DefectAction::kImageDropped:
      return "image dropped";
  }
  return "kept";
}

std::string Defect::ToString(bool with_action) const {
  return absl::StrCat(Shown(file), object < 0 ? "" : absl::StrCat(": object ", object), ": ",
                      Name(kind), value.empty() ? "" : absl::StrCat(": ", Shown(value)),
                      with_action ? absl::StrCat(": ", Name(action)) : "");
}

void DefectReport::Add(Defect defect) {
  ++total_;
  ++counts_[defect.kind];
  ++action_counts_[defect.action];
  if (static_cast<int64_t>(defects_.size()) < kMaxKept) defects_.push_back(std::move(defect));
}

void DefectReport::AddNotice(std::string notice) {
  if (std::find(notices_.begin(), notices_.end(), notice) == notices_.end()) {
    notices_.push_back(std::move(notice));
  }
}

void DefectReport::Append(const DefectReport& other, absl::string_view prefix) {
  for (const std::string& notice : other.notices_) AddNotice(absl::StrCat(prefix, notice));
  lost_with_images_ += other.lost_with_images_;
  used_objects_ += other.used_objects_;
  total_ += other.total_;
  for (const auto& [kind, count] : other.counts_) counts_[kind] += count;
  for (const auto& [action, count] : other.action_counts_) action_counts_[action] += count;
  for (Defect defect : other.defects_) {
    if (static_cast<int64_t>(defects_.size()) >= kMaxKept) return;
    defect.file = absl::StrCat(prefix, defect.file);
    defects_.push_back(std::move(defect));
  }
}

DefectReport DefectReport::Select(const std::function<bool(const Defect&)>& wanted) const {
  DefectReport selected;
  selected.notices_ = notices_;
  for (const Defect& defect : defects_) {
    if (wanted(defect)) selected.Add(defect);
  }
  const int64_t unknown = total_ - static_cast<int64_t>(defects_.size());
  if (unknown > 0) {
    selected.AddNotice(absl::StrCat(unknown, " of ", total_, " defects ",
                                    Noun(unknown, "was", "were"),
                                    " not stored, so the images that they concern are "
                                    "unknown"));
  }
  return selected;
}

int64_t DefectReport::count(DefectAction action) const {
  auto found = action_counts_.find(action);
  return found == action_counts_.end() ? 0 : found->second;
}

std::string DefectReport::ToString(int64_t max_lines, bool with_action) const {
  std::string text;
  const int64_t lines = std::clamp<int64_t>(max_lines, 0, static_cast<int64_t>(defects_.size()));
  for (int64_t i = 0; i < lines; ++i) {
    absl::StrAppend(&text, defects_[i].ToString(with_action), "\n");
  }
  if (total_ > lines) absl::StrAppend(&text, "and ", total_ - lines, " more\n");
  return text;
}

std::string DescribeLoss(const DefectReport& report) {
  const int64_t lost = report.lost_objects();
  const int64_t all = lost + report.used_objects();
  const double share = all == 0 ? 0 : static_cast<double>(lost) / static_cast<double>(all);
  if (share <= kMostLost) return "";
  return absl::StrFormat("%d of %s (%.1f %%) %s lost to defects", lost, Counted(all, "object"),
                         100 * share, Noun(lost, "is", "are"));
}

namespace {

// Of annotations that nobody can read, whose objects are unknown: as if each had one. "" if at most
// kMostLost are lost.
std::string DescribeUnreadable(const DefectReport& report) {
  const auto found = report.counts().find(DefectKind::kUnreadableAnnotation);
  const int64_t unreadable = found == report.counts().end() ? 0 : found->second;
  const int64_t lost = report.lost_objects() + unreadable;
  const auto all = static_cast<double>(lost + report.used_objects());
  if (unreadable == 0 || static_cast<double>(lost) <= kMostLost * all) return "";
  return absl::StrFormat("%s cannot be read, beside %s that can", Counted(unreadable, "annotation"),
                         Counted(report.used_objects(), "object"));
}

}  // namespace

absl::Status CheckLoss(const DefectReport& report, bool allow_defects) {
  std::string loss = DescribeLoss(report);
  if (loss.empty()) loss = DescribeUnreadable(report);
  if (allow_defects || loss.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(loss, ": correct the annotations, or accept it with --allow_defects"));
}

}  // namespace rcnn::data
