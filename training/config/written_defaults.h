// Writes out the defaults of a config.
//
// For printing, and for finding non-default values. Absent sub-messages are written if absence
// means "all defaults". They stay absent if absence has its own meaning ("no feature pyramid", "no
// warm-up"), as do fields without a default.

#ifndef RCNN_TRAINING_CONFIG_WRITTEN_DEFAULTS_H_
#define RCNN_TRAINING_CONFIG_WRITTEN_DEFAULTS_H_

#include <google/protobuf/message.h>

namespace rcnn::training {

// Sets every absent field to its default, recursively in `message`, whose type is
// from configs/.
void WriteDefaults(google::protobuf::Message* message);

// Whether an absent message means the same as an empty one; WriteDefaults then
// writes it. For singular fields.
bool AbsentMeansDefaults(const google::protobuf::FieldDescriptor& field);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_WRITTEN_DEFAULTS_H_
