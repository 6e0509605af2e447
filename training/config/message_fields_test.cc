#include "rcnn/training/config/message_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/training/config/written_defaults.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

MessageFields AllOf(const google::protobuf::Message& message) {
  MessageFields fields;
  AddMessageFields(message, "top.", fields);
  return fields;
}

FieldMap ListFields(const google::protobuf::Message& message) { return AllOf(message).set; }

TEST(MessageFieldsTest, NamesEveryFieldThatIsSet) {
  configs::ExperimentConfig config;
  config.set_name("a\nb");
  config.mutable_model()->mutable_backbone()->mutable_zf();
  config.mutable_data()->mutable_transform()->set_flip(configs::TransformConfig::AT_RANDOM);
  config.mutable_data()->mutable_transform()->mutable_resize()->add_shortest_side_px(5);
  config.mutable_data()->mutable_transform()->mutable_resize()->add_shortest_side_px(6);
  config.add_stages();
  config.add_stages()->add_freeze("x");
  EXPECT_THAT(ListFields(config),
              ElementsAre(Pair("top.data", "{}"), Pair("top.data.transform", "{}"),
                          Pair("top.data.transform.flip", "AT_RANDOM"),
                          Pair("top.data.transform.resize", "{}"),
                          Pair("top.data.transform.resize.shortest_side_px", "[5, 6]"),
                          Pair("top.model", "{}"), Pair("top.model.backbone", "{}"),
                          Pair("top.model.backbone.zf", "{}"), Pair("top.name", "\"a\\nb\""),
                          Pair("top.stages[0]", "{}"), Pair("top.stages[1]", "{}"),
                          Pair("top.stages[1].freeze", "[\"x\"]")));
}

TEST(MessageFieldsTest, NothingSetGivesNothing) {
  EXPECT_THAT(ListFields(configs::ExperimentConfig()), IsEmpty());
}

TEST(MessageFieldsTest, DistinguishesNeighbouringDoubles) {
  configs::SolverConfig a, b;
  a.set_learning_rate(0.1);
  b.set_learning_rate(0.1 + 1.4e-17);
  ASSERT_NE(a.learning_rate(), b.learning_rate());
  EXPECT_NE(ListFields(a), ListFields(b));
}

TEST(MessageFieldsTest, DefaultsAreWhatAbsenceMeans) {
  configs::ExperimentConfig config;
  config.set_name("no default");
  config.set_seed(9);
  config.mutable_data()->mutable_transform()->set_pad_to_multiple_px(32);
  EXPECT_THAT(
      AllOf(config).defaults,
      ElementsAre(Pair("top.data.transform", "{}"),
                  Pair("top.data.transform.pad_to_multiple_px", "1"), Pair("top.seed", "3")));
}

TEST(WithoutDefaultsTest, KeepsMeaningfulValues) {
  configs::ModelConfig model;
  model.mutable_fpn();
  model.mutable_rpn()->mutable_targets()->set_foreground_iou(0.6);
  model.mutable_head()->mutable_layer4();
  WriteDefaults(&model);
  EXPECT_THAT(
      WithoutDefaults(AllOf(model)),
      ElementsAre(Pair("top.fpn", "{}"), Pair("top.head", "{}"), Pair("top.head.layer4", "{}"),
                  Pair("top.rpn", "{}"), Pair("top.rpn.targets.foreground_iou", "0.6")));
}

TEST(WithoutDefaultsTest, WrittenDefaultsEqualAbsentOnes) {
  configs::ExperimentConfig config = SampleExperiment();
  const FieldMap as_given = WithoutDefaults(AllOf(config));
  WriteDefaults(&config);
  EXPECT_EQ(WithoutDefaults(AllOf(config)), as_given);
}

// A schema of a message with these fields, inside of another one.
std::string Schema(const std::string& fields) {
  return absl::StrCat(R"pb(
                        name: "later.proto"
                        message_type {
                          name: "Outer"
                          field {
                            name: "inner"
                            number: 1
                            label: LABEL_OPTIONAL
                            type: TYPE_MESSAGE
                            type_name: "Inner"
                          }
                        }
                        message_type { name: "Inner"
                                       field {
                                         name: "rate"
                                         number: 1
                                         label: LABEL_OPTIONAL
                                         type: TYPE_DOUBLE
                                         default_value: "0.1"
                                       }
                      )pb",
                      fields, "}");
}

FieldMap MakeKey(const std::string& schema, const std::string& text) {
  google::protobuf::FileDescriptorProto file;
  configs::ParseTextOrDie(schema, &file);
  google::protobuf::DescriptorPool pool;
  google::protobuf::DynamicMessageFactory factory(&pool);
  const auto* type = pool.BuildFile(file)->FindMessageTypeByName("Outer");
  const std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(type)->New());
  configs::ParseTextOrDie(text, message.get());
  WriteDefaults(message.get());
  return WithoutDefaults(AllOf(*message));
}

TEST(WithoutDefaultsTest, NewFieldWithDefaultChangesNothing) {
  const std::string before = Schema("");
  const std::string after = Schema(R"pb(
    field { name: "flip" number: 2 label: LABEL_OPTIONAL type: TYPE_BOOL default_value: "false" }
  )pb");
  for (const char* text : {"", "inner {}", "inner { rate: 0.1 }", "inner { rate: 0.5 }"}) {
    EXPECT_EQ(MakeKey(before, text), MakeKey(after, text)) << text;
  }
  EXPECT_NE(MakeKey(before, ""), MakeKey(before, "inner {}"));
  EXPECT_THAT(MakeKey(after, "inner { rate: 0.5 flip: true }"),
              ElementsAre(Pair("top.inner", "{}"), Pair("top.inner.flip", "true"),
                          Pair("top.inner.rate", "0.5")));
}

}  // namespace
}  // namespace rcnn::training
