// Explains to the user what a plan has chosen, and why.
//
// Example:
//   for (const std::string& line :
//        ExplainPlan(data, images, choices, speed, schedule, /*budget=*/1800)) {
//     std::cout << line << "\n";
//   }

#ifndef RCNN_TRAINING_PLAN_EXPLAIN_PLAN_H_
#define RCNN_TRAINING_PLAN_EXPLAIN_PLAN_H_

#include <string>
#include <vector>

#include "rcnn/training/plan/data_fingerprint.h"
#include "rcnn/training/plan/plan_recipe.h"
#include "rcnn/training/plan/plan_speed.h"

namespace rcnn::training {

// Returns one topic per line, its name first: "anchors: ...". budget: in seconds.
std::vector<std::string> ExplainPlan(const DataFingerprint& data, const PartSizes& images,
                                     const PlanChoices& choices, const SecondsPerUnit& speed,
                                     const Schedule& schedule, double budget);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_EXPLAIN_PLAN_H_
