#include "rcnn/training/message_fields.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

FieldMap FieldsOf(const google::protobuf::Message& message) {
  FieldMap fields;
  AddMessageFields(message, "top.", fields);
  return fields;
}

TEST(MessageFieldsTest, NamesEveryFieldThatIsSet) {
  configs::ExperimentConfig config;
  config.set_name("a\nb");
  config.mutable_model()->mutable_backbone()->mutable_zf();
  config.mutable_data()->mutable_transform()->set_flip(configs::TransformConfig::AT_RANDOM);
  config.mutable_data()->mutable_transform()->mutable_resize()->add_shortest_side_px(5);
  config.mutable_data()->mutable_transform()->mutable_resize()->add_shortest_side_px(6);
  config.add_stages();
  config.add_stages()->add_freeze("x");
  EXPECT_THAT(FieldsOf(config),
              ElementsAre(Pair("top.data.transform.flip", "AT_RANDOM"),
                          Pair("top.data.transform.resize.shortest_side_px", "[5, 6]"),
                          Pair("top.model.backbone.zf", "{}"), Pair("top.name", "\"a\\nb\""),
                          Pair("top.stages[0]", "{}"), Pair("top.stages[1].freeze", "[\"x\"]")));
}

TEST(MessageFieldsTest, NothingSetGivesNothing) {
  EXPECT_THAT(FieldsOf(configs::ExperimentConfig()), IsEmpty());
}

TEST(MessageFieldsTest, TellsEveryDoubleFromTheNext) {
  configs::SolverConfig a, b;
  a.set_learning_rate(0.1);
  b.set_learning_rate(0.1 + 1.4e-17);
  ASSERT_NE(a.learning_rate(), b.learning_rate());
  EXPECT_NE(FieldsOf(a), FieldsOf(b));
}

}  // namespace
}  // namespace rcnn::training
