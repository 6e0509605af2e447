#include "rcnn/training/config/written_defaults.h"

#include <google/protobuf/descriptor.h>

#include <array>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/strings/string_view.h"

namespace rcnn::training {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;

// Fields that mean the same when absent and when present but empty.
constexpr std::array<absl::string_view, 23> kAbsentMeansDefaults = {
    "rcnn.configs.DetectorConfig.input",
    "rcnn.configs.ExperimentConfig.resources",
    "rcnn.configs.ExperimentData.transform",
    "rcnn.configs.HeadConfig.box_coder",
    "rcnn.configs.HeadConfig.detections",
    "rcnn.configs.HeadConfig.loss",
    "rcnn.configs.HeadConfig.pool",
    "rcnn.configs.HeadConfig.targets",
    "rcnn.configs.ModelConfig.normalization",
    "rcnn.configs.ResourcesConfig.loader",
    "rcnn.configs.RpnConfig.anchors",
    "rcnn.configs.RpnConfig.box_coder",
    "rcnn.configs.RpnConfig.loss",
    "rcnn.configs.RpnConfig.targets",
    "rcnn.configs.RpnConfig.test_proposals",
    "rcnn.configs.RpnConfig.train_proposals",
    "rcnn.configs.SelectiveSearchStageConfig.search",
    "rcnn.configs.TrainFastRcnnConfig.training",
    "rcnn.configs.TrainJointConfig.training",
    "rcnn.configs.TrainRpnConfig.training",
    "rcnn.configs.TrainingConfig.batching",
    // Members of these have a default too.
    "rcnn.configs.HeadConfig.fc",
    "rcnn.configs.RoiPoolingConfig.roi_align",
};

bool IsListed(const FieldDescriptor& field) {
  return absl::c_linear_search(kAbsentMeansDefaults, field.full_name());
}

bool IsAbsent(const Message& message, const FieldDescriptor& field) {
  const OneofDescriptor* oneof = field.containing_oneof();
  const Reflection& reflection = *message.GetReflection();
  return oneof == nullptr ? !reflection.HasField(message, &field)
                          : !reflection.HasOneof(message, oneof);
}

void WriteScalar(const FieldDescriptor& field, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(message, &field, field.default_value_int32());
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(message, &field, field.default_value_int64());
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(message, &field, field.default_value_uint32());
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(message, &field, field.default_value_uint64());
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetDouble(message, &field, field.default_value_double());
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.SetFloat(message, &field, field.default_value_float());
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(message, &field, field.default_value_bool());
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.SetEnum(message, &field, field.default_value_enum());
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(message, &field, field.default_value_string());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return;
  }
}

void WriteMessage(const FieldDescriptor& field, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  if (field.is_repeated()) {
    for (int i = 0; i < reflection.FieldSize(*message, &field); ++i) {
      WriteDefaults(reflection.MutableRepeatedMessage(message, &field, i));
    }
  } else if (reflection.HasField(*message, &field) ||
             (IsListed(field) && IsAbsent(*message, field))) {
    WriteDefaults(reflection.MutableMessage(message, &field));
  }
}

}  // namespace

bool AbsentMeansDefaults(const FieldDescriptor& field) { return IsListed(field); }

void WriteDefaults(Message* message) {
  const Descriptor& type = *message->GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      WriteMessage(field, message);
    } else if (field.has_default_value() && IsAbsent(*message, field)) {
      WriteScalar(field, message);
    }
  }
}

}  // namespace rcnn::training
