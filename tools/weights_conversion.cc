#include "rcnn/tools/weights_conversion.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/recorded_result.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/import_report.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/detection/weights/weights_file.h"
#include "rcnn/detection/weights/wrapped_names.h"

namespace rcnn::tools {
namespace {

using namespace detection::weights;  // NOLINT: all of it

absl::StatusOr<const NameMap*> ChooseMap(const WeightsConversion& conversion,
                                         const StateDict& weights) {
  if (conversion.map != "auto") return FindNameMap(conversion.map);
  if (conversion.direction == NameDirection::kToOurs) return DetectNameMap(weights);
  const auto found = weights.metadata().find("name_map");
  if (found != weights.metadata().end()) return FindNameMap(found->second);
  return absl::InvalidArgumentError(
      absl::StrCat(conversion.input, " does not record its original names; name a map"));
}

std::string TensorShape(const StateDict& state, const std::string& name) {
  return ShapeString(state.Find(name)->sizes());
}

ImportReport Report(const WeightsConversion& conversion, const NameMap& map,
                    const StateDict& weights, const MappedStateDict& mapped) {
  ImportReport report;
  report.source = conversion.input;
  report.map = map.name;
  for (const std::string& name : mapped.left_out) {
    report.rows.push_back(
        {ImportOutcome::kSkipped, name, name, TensorShape(weights, name), "left out by the map"});
  }
  for (const std::string& name : mapped.unknown) {
    report.rows.push_back(
        {ImportOutcome::kSkipped, name, name, TensorShape(weights, name), "unknown to the map"});
  }
  const bool to_ours = conversion.direction == NameDirection::kToOurs;
  for (const StateDict::Entry& entry : mapped.state) {
    const std::string shape = ShapeString(entry.tensor.sizes());
    const std::string other = (to_ours ? TheirName : OurName)(map, entry.name).value_or("");
    report.rows.push_back({ImportOutcome::kLoaded, entry.name, other, shape, ""});
  }
  return report;
}

// Their channel order is that of the map, regardless of the current order.
absl::Status RestoreChannelOrder(const WeightsConversion& conversion, const NameMap& map,
                                 StateDict& weights) {
  if (conversion.direction != NameDirection::kToTheirs || !map.image.has_value() ||
      !HasImageNormalization(weights.metadata())) {
    return absl::OkStatus();
  }
  return ConvertChannelOrder(map.image->channel_order, weights);
}

}  // namespace

absl::StatusOr<std::string> ConvertWeights(const WeightsConversion& conversion) {
  RCNN_RETURN_IF_ERROR(CheckRecordedResult(conversion.input));
  RCNN_ASSIGN_OR_RETURN(StateDict weights, LoadStateDict(conversion.input));
  if (conversion.direction == NameDirection::kToOurs) {
    weights = UnwrapNames(std::move(weights)).state;
  }
  RCNN_ASSIGN_OR_RETURN(const NameMap* const map, ChooseMap(conversion, weights), conversion.input);
  RCNN_RETURN_IF_ERROR(RestoreChannelOrder(conversion, *map, weights), conversion.input);
  RCNN_ASSIGN_OR_RETURN(MappedStateDict mapped, ApplyNameMap(*map, weights, conversion.direction),
                        conversion.input);
  const ImportReport report = Report(conversion, *map, weights, mapped);
  if (mapped.state.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(conversion.input, ": the map ", map->name,
                                                   " matches none of its tensors\n",
                                                   report.ToString()));
  }
  if (conversion.channel_order.has_value()) {
    RCNN_RETURN_IF_ERROR(ConvertChannelOrder(*conversion.channel_order, mapped.state),
                         conversion.input);
  }
  RCNN_RETURN_IF_ERROR(SaveStateDict(mapped.state, conversion.output));
  return absl::StrCat(report.ToString(conversion.every_tensor), "wrote ", conversion.output, "\n");
}

absl::StatusOr<std::string> ListWeights(const std::string& input) {
  RCNN_RETURN_IF_ERROR(CheckRecordedResult(input));
  RCNN_ASSIGN_OR_RETURN(const StateDict weights, LoadStateDict(input));
  return DescribeStateDict(weights);
}

std::string ListNameMaps() {
  std::string text;
  for (const NameMap& map : KnownNameMaps()) {
    absl::StrAppend(&text, map.name, ": ", map.description, "\n");
    for (const NameRule& rule : map.rules) {
      absl::StrAppendFormat(&text, "  %-42s %s %s\n", rule.theirs,
                            rule.only_to_ours || rule.ours.empty() ? " ->" : "<->",
                            rule.ours.empty() ? "(left out)" : rule.ours);
    }
  }
  return text;
}

}  // namespace rcnn::tools
