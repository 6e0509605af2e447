#include "rcnn/training/config/expected_fields.h"

#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "rcnn/training/config/written_defaults.h"

namespace rcnn::training {
namespace {

// Equal as texts, or as numbers or lists of numbers.
bool Same(absl::string_view a, absl::string_view b) {
  if (a == b) return true;
  const std::vector<absl::string_view> as =
      absl::StrSplit(a, absl::ByAnyChar("[], "), absl::SkipEmpty());
  const std::vector<absl::string_view> bs =
      absl::StrSplit(b, absl::ByAnyChar("[], "), absl::SkipEmpty());
  if (as.size() != bs.size()) return false;
  for (size_t i = 0; i < as.size(); ++i) {
    double x = 0, y = 0;
    if (!absl::SimpleAtod(as[i], &x) || !absl::SimpleAtod(bs[i], &y) || x != y) return false;
  }
  return !as.empty();
}

}  // namespace

void ExpectedFields::Set(const std::string& path, int value) {
  fields_[path] = absl::StrCat(value);
}

void ExpectedFields::Set(const std::string& path, double value) {
  Set(path, absl::StrFormat("%.17g", value));
}

void ExpectedFields::Set(const std::string& path, const std::vector<double>& values) {
  const auto append = [](std::string* out, double value) {
    absl::StrAppendFormat(out, "%.17g", value);
  };
  Set(path, absl::StrCat("[", absl::StrJoin(values, ", ", append), "]"));
}

void ExpectedFields::SetText(const std::string& path, const std::string& value) {
  Set(path, absl::StrCat("\"", value, "\""));
}

bool ExpectedFields::Holds(const std::string& path) const {
  const auto inside = fields_.lower_bound(path + ".");
  return fields_.count(path) == 1 ||
         (inside != fields_.end() && absl::StartsWith(inside->first, path + "."));
}

std::vector<std::string> FieldDefects(const configs::ExperimentConfig& config,
                                      const ExpectedFields& expected) {
  MessageFields written, all;
  AddMessageFields(config, "", written);
  configs::ExperimentConfig full = config;
  WriteDefaults(&full);
  AddMessageFields(full, "", all);
  std::vector<std::string> defects;
  for (const auto& [path, value] : expected.map()) {
    const auto found = all.set.find(path);
    if (found == all.set.end()) {
      defects.push_back(absl::StrCat(path, " is not set; it should be ", value));
    } else if (!Same(found->second, value)) {
      defects.push_back(absl::StrCat(path, " is ", found->second, ", not ", value));
    }
  }
  for (const auto& [path, value] : written.set) {
    if (path == "pretrained.hint" || expected.Holds(path)) continue;
    defects.push_back(absl::StrCat(path, ": ", value, " is checked by nothing"));
  }
  return defects;
}

void SetCoco(ExpectedFields& f, const std::string& path, const std::string& part,
             const char* crowd) {
  f.Set(path + ".coco", "{}");
  f.SetText(path + ".paths.annotations",
            absl::StrCat("coco/annotations/instances_", part, ".json"));
  f.SetText(path + ".paths.images", absl::StrCat("coco/", part));
  f.Set(path + ".defect_policy", "CLIP");
  f.Set(path + ".crowd", crowd);
}

void SetFinal(ExpectedFields& f, int index, const std::string& rpn, const std::string& detector) {
  const std::string stage = absl::StrCat("stages[", index, "]");
  f.SetText(stage + ".name", "final");
  f.SetText(stage + ".evaluate.rpn", rpn);
  f.SetText(stage + ".evaluate.detector", detector);
  f.Set(stage + ".evaluate.dataset", "TEST");
}

}  // namespace rcnn::training
