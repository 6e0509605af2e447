// Writes the defaults of a config out, so that it says all that it means.
//
// For printing, and so that a field that is absent and one that is given its
// default are the same to a stage's key. Absent sub-messages are written where
// absence means "all defaults", and stay absent where it means something of its
// own ("no feature pyramid", "no warm-up"); so do fields without a default.

#ifndef RCNN_TRAINING_WRITTEN_DEFAULTS_H_
#define RCNN_TRAINING_WRITTEN_DEFAULTS_H_

#include <google/protobuf/message.h>

namespace rcnn::training {

// Sets every field whose absence means a default to that default, everywhere in
// `message`, whose type is one of configs/.
void WriteDefaults(google::protobuf::Message* message);

// What WriteDefaults does with an absent singular field that holds a message:
// true, write it. For tests.
bool AbsentMeansDefaults(const google::protobuf::FieldDescriptor& field);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_WRITTEN_DEFAULTS_H_
