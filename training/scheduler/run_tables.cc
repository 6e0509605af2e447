#include "rcnn/training/scheduler/run_tables.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/progress.h"

namespace rcnn::training {
namespace {

bool Skipped(const StageRow& stage) { return stage.decision.action == StageDecision::kSkip; }

// Padded before colouring.
std::string Colored(StageDecision::Action action, const TextStyle& style) {
  const std::string name = absl::StrFormat("%-6s", ActionName(action));
  if (action == StageDecision::kSkip) return style.Dim(name);
  return action == StageDecision::kResume ? style.Yellow(name) : style.Green(name);
}

NameWidth WidestName(const std::vector<StageRow>& stages) {
  NameWidth width(14);
  for (const StageRow& stage : stages) width.Add(Printable(stage.name));
  return width;
}

std::string SummaryRow(const StageRow& stage, const NameWidth& width, const TextStyle& style) {
  const std::string name = width.Pad(Printable(stage.name));
  if (Skipped(stage)) return style.Dim(absl::StrFormat("  %s %8s", name, "before"));
  const std::string each =
      stage.seconds_per_unit > 0 ? HumanDuration(absl::Seconds(stage.seconds_per_unit)) : "";
  std::string row =
      absl::StrFormat("  %s %8s %17s %20s  %s", name, HumanDuration(stage.time),
                      Counted(stage.units, stage.unit), each, Printable(stage.result));
  return row.substr(0, row.find_last_not_of(' ') + 1);
}

}  // namespace

const char* ActionName(StageDecision::Action action) {
  switch (action) {
    case StageDecision::kSkip:
      return "done";
    case StageDecision::kResume:
      return "resume";
    case StageDecision::kRun:
      return "run";
  }
  return "";
}

std::string PlanTable(const std::vector<StageRow>& stages, const TextStyle& style) {
  const NameWidth width = WidestName(stages);
  std::string table;
  for (size_t i = 0; i < stages.size(); ++i) {
    const StageRow& stage = stages[i];
    absl::StrAppend(&table, absl::StrFormat("  %d  %s ", i + 1, width.Pad(Printable(stage.name))),
                    Colored(stage.decision.action, style),
                    absl::StrFormat(" %7d  %s\n", stage.units, Printable(stage.decision.reason)));
  }
  return table;
}

std::string SummaryTable(const std::vector<StageRow>& stages, const TextStyle& style) {
  const NameWidth width = WidestName(stages);
  std::string table =
      absl::StrCat(style.Bold(absl::StrFormat("  %s %8s %17s %20s  %s", width.Pad("stage"), "time",
                                              "work", "each after the first", "result")),
                   "\n");
  absl::Duration total = absl::ZeroDuration();
  for (const StageRow& stage : stages) {
    total += stage.time;
    absl::StrAppend(&table, SummaryRow(stage, width, style), "\n");
  }
  return absl::StrCat(table, absl::StrFormat("  %s %8s\n", width.Pad("all"), HumanDuration(total)));
}

}  // namespace rcnn::training
