// Changes one field of a config from the command line.
//
//   stages.rpn1.train_rpn.training.solver.learning_rate=0.0005
//   stages[0].train_rpn.training.validation={ every: 100 }
//   data.transform.resize.shortest_side_px=[240, 320]
//   model.backbone.frozen_stages=        (takes the field away: the default holds)
//   stages.final=                        (takes the element away)
//
// An element of a list is named by its index, or, where its type has a field
// `name`, by that. Messages on the way are created; the members of a oneof are
// exclusive, so a path through a member that is not the one in the file is an
// error, while assigning a whole member replaces the one that was there.

#ifndef RCNN_TRAINING_CONFIG_CONFIG_OVERRIDE_H_
#define RCNN_TRAINING_CONFIG_CONFIG_OVERRIDE_H_

#include <google/protobuf/message.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::training {

// Applies "path=value". A value is textproto: a number, an enum's name, a string
// with or without quotes, { a message }, [a list]. kInvalidArgument, naming what
// exists at that place, nearest first, if the path leads nowhere or the value is
// not of the field's type; `config` is then unchanged.
absl::Status ApplyOverride(absl::string_view assignment, google::protobuf::Message* config);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_CONFIG_OVERRIDE_H_
