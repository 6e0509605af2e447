// Changes one field of a config from the command line.
//
//   stages.rpn1.train_rpn.training.solver.learning_rate=0.0005
//   stages[0].train_rpn.training.validation={ every: 100 }
//   data.transform.resize.shortest_side_px=[240, 320]
//   model.backbone.frozen_stages=        (removes the field: the default applies)
//   stages.final=                        (removes the element)
//
// A list element is named by its index, or by its `name` if its type has that
// field. Messages along the path are created. The members of a oneof are exclusive:
// a path through a member other than the one in the file is an error, but assigning
// a whole member replaces the existing one.

#ifndef RCNN_TRAINING_CONFIG_CONFIG_OVERRIDE_H_
#define RCNN_TRAINING_CONFIG_CONFIG_OVERRIDE_H_

#include <google/protobuf/message.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::training {

// Applies "path=value". A value is textproto: a number, an enum's name, a string
// with or without quotes, { a message }, [a list]. kInvalidArgument, listing the
// alternatives, nearest first, if the path does not exist or the value does not have
// the field's type; `config` is then unchanged.
absl::Status ApplyOverride(absl::string_view assignment, google::protobuf::Message* config);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_CONFIG_OVERRIDE_H_
