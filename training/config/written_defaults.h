// Writes the defaults of a config out, so that it says all that it means.
//
// For printing, and to tell what in a config is not as by default. Absent sub-messages are written
// where absence means "all defaults", and stay absent where it means something of its own ("no
// feature pyramid", "no warm-up"); so do fields without a default.

#ifndef RCNN_TRAINING_CONFIG_WRITTEN_DEFAULTS_H_
#define RCNN_TRAINING_CONFIG_WRITTEN_DEFAULTS_H_

#include <google/protobuf/message.h>

namespace rcnn::training {

// Sets every field whose absence means a default to that default, everywhere in
// `message`, whose type is one of configs/.
void WriteDefaults(google::protobuf::Message* message);

// Whether a message that is absent means the same as one in which nothing is set:
// WriteDefaults then writes it. Of singular fields.
bool AbsentMeansDefaults(const google::protobuf::FieldDescriptor& field);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_WRITTEN_DEFAULTS_H_
